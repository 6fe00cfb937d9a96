"""The web service: images and pictures of handwritten digits in, readings out."""
