"""What a pixel, an image and a file are. Every room but `errors` may import this one; it imports `errors` alone."""

__all__ = ["dataset", "files", "image_file", "images", "kaggle_csv", "pixel_json"]
