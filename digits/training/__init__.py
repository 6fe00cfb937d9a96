"""Fits and measures the networks and writes their artifacts. May import every room but `exploration` and `scoring`."""
