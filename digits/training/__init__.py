"""Fits the networks, measures them and writes their artifacts. It may import every room but `exploration`."""
