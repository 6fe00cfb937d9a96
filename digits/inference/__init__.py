"""From an .h5 to answers, with no TensorFlow in reach. Imports `errors`, `data`, `preprocessing`."""

__all__ = [
    "artifact",
    "classifier",
    "ctc",
    "digit_reader",
    "input_statistics",
    "line_reader",
    "onnx_session",
    "page_detector",
    "page_reader",
    "precision",
    "rejection",
]
