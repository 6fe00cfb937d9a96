"""The web service: one handwritten digit in, its reading out."""
