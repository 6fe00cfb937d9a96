"""Defines the networks in Keras, a function each. Imports `data` and `preprocessing` for their shapes."""
