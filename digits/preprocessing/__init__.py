"""From a picture to what a network sees: ink separated from paper, digits and lines brought to size. Imports `data`."""

__all__ = ["binarise", "components", "digit_image", "line_image", "morphology", "page", "page_map"]
