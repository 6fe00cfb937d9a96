"""Defines the networks in Keras, a function each. Imports `errors`, `data` and `preprocessing`."""
