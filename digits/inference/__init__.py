"""From an .h5 to answers, with no TensorFlow in reach. Imports `data` and `preprocessing`; the service imports it."""

__all__ = [
    "artifact",
    "classifier",
    "ctc",
    "digit_reader",
    "input_statistics",
    "line_reader",
    "onnx_session",
    "rejection",
]
