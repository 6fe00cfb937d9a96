"""The paths that are served, one module for each family of paths. Imports every other room but `predict`."""
