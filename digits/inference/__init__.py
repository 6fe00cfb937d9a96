"""From an .h5 to answers, with no TensorFlow in reach. Imports `data` and `preprocessing`; the service imports it."""
