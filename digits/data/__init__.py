"""What a pixel, an image and a file are. Every other room may import this one; it imports `errors` alone."""
