"""The paths that are served, a file for each family of them. Imports every room but `middleware`."""
