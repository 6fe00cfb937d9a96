"""The networks as Keras builds them, a function each. Imports `data` and `preprocessing` for their shapes."""
