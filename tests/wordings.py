"""What the errors of `digits` say: each sentence stands here once, and every test names it by its kind.

Whoever mends a sentence mends it in the code and here. A test says which error it expects, and gives the parts that
matter to it: `pytest.raises(DatasetError, match=wording("dataset_missing", path=path))`.
"""

import re

_RETRAIN = "Train one with `make run_train`, lines.h5 with `make train_lines`, or name another file."
_NAME_COLUMNS = "the first line must name the columns, separated by commas"

WORDINGS = {
    # digits.data: images and pixels
    "images_shape": (
        "Received images of shape {shape}, expected (n, 28, 28) or (n, 784). Reshape or resize them to 28x28."
    ),
    "row_not_an_object": (
        'Received {received}, expected one JSON object. Send {"pixel0": 0, ..., "pixel783": 0}.'  # Braces of JSON.
    ),
    "pixel_out_of_range": (
        "Received {received} for {name}, expected a number 0-255. "
        "Scale grey levels to 0-255, where 0 is paper and 255 is ink."
    ),
    "pixels_of_0_to_1": (
        "Received pixels of 0-1 with fractions, expected numbers 0-255. "
        "Scale grey levels to 0-255, where 0 is paper and 255 is ink: multiply them by 255."
    ),
    "pixel_not_a_number": (
        "Received {received} for {name}, expected a number 0-255. Send {name} as a plain JSON number."
    ),
    "pixels_missing": (
        "Received {num} pixels, expected 784; missing: {names}. "
        "Send every pixel from pixel0 to pixel783, 0 where there is no ink."
    ),
    "fields_unknown": (
        "Received {num} pixels, expected 784 and nothing else; unknown: {names}. Remove what is not a pixel."
    ),
    # digits.data: image files
    "picture_animated": (
        "Received a {format} with several pictures, expected one. Send the one picture that shows the digit."
    ),
    "picture_unknown": (
        "Received {size} bytes that are no image, expected a PNG, JPEG, WebP, GIF, BMP or TIFF. "
        "Save the drawing as one of these; renaming a file does not change its format."
    ),
    "picture_heic": (
        "Received a HEIC, expected a PNG, JPEG, WebP, GIF, BMP or TIFF. "
        "Save it as JPEG: on a Mac `sips -s format jpeg in.heic --out out.jpg`, "
        "on Linux `heif-convert in.heic out.jpg`. "
        "An iPhone takes JPEGs with Settings > Camera > Formats > Most Compatible, "
        "an Android phone with its camera's high efficiency pictures off."
    ),
    "picture_too_large": (
        "Received {kind} of {width}x{height} pixels, expected at most {most} in all. "
        "Reduce it; a digit is read from a few hundred pixels as well."
    ),
    "picture_in_tiles": "Received a TIFF in tiles, expected one in strips. Save it as PNG.",
    "picture_metadata": (
        "Received a {format} with {received}, expected fewer. "
        "Save the picture anew, without what stands beside its pixels."
    ),
    # digits.data: tables
    "cell": (
        "row {row} (line {line}), column {column}: received {received}, expected an integer 0-{limit}; "
        "mend or remove the row."
    ),
    "cell_scaled": (
        "row {row} (line {line}), column {column}: received {received}, expected an integer 0-255; "
        "scale grey levels to 0-255."
    ),
    "row_length": (
        "row {row} (line {line}): received {num} cells, expected {expected}, one for each column; "
        "mend or remove the row."
    ),
    "table_header": (
        f"received {{num}} columns, expected {{expected}}; {{faults}}; {_NAME_COLUMNS}: add or remove these."
    ),
    "table_empty": f"received an empty file, expected a header and one row a digit; {_NAME_COLUMNS}.",
    "table_without_rows": "{path}: received a header without rows, expected one row a digit.",
    "table_not_cells": "line {line} cannot be split into cells ({error}); mend or remove it.",
    "dataset_missing": "{path}: no such file; check the path.",
    "dataset_unreadable": "{path}: cannot be read as a file ({error}); name a readable .csv or .csv.gz.",
    "dataset_not_text": (
        "{path}: received bytes that are not UTF-8 text, expected a .csv or .csv.gz; unpack or export it anew."
    ),
    "dataset_compressed": ("{path}: the compressed file is truncated or broken ({error}); download or copy it again."),
    # digits.inference: the artifact
    "artifact_missing": f"{{path}}: no such file. {_RETRAIN}",
    "artifact_not_whole": f"{{path}}: received {{size}} bytes that are not a whole Keras .h5 ({{error}}). {_RETRAIN}",
    "artifact_without_model": f"{{path}}: received an HDF5 file without a Keras model. {_RETRAIN}",
    "artifact_group_damaged": f"{{path}}: its group `digits` is damaged ({{error}}). {_RETRAIN}",
    "precision_unknown": "DIGITS_PRECISION: received {received}, expected auto, int8 or fp32.",
    "artifact_format": "{path}: received artifact format {format}, expected 1. Use the version that wrote it.",
    "artifact_stale": (
        "{path}: the weights changed after the serving graph was made from them. "
        "Make it anew: `python -m digits.training.export {path}`."
    ),
    "artifact_link": "{path}: received a link to elsewhere at {name}, expected everything inside.",
    "artifact_data_elsewhere": "{path}: received data stored elsewhere at {name}, expected everything inside.",
    "artifact_too_large": (
        "{path}: received {name} of shape {shape} in a file of {size} bytes, expected uncompressed data. " + _RETRAIN
    ),
    # digits.inference: graphs and thresholds
    "graph_missing": (
        "{path}: received a Keras file without a serving graph, expected one with it. "
        "Add the graph where the project is installed: `python -m digits.training.export {path}`."
    ),
    "graph_unreadable": "The serving graph cannot be read ({error}). Train anew.",
    "graph_shape": (
        "Received a serving graph from {inputs} to {outputs}, expected float {expected_input} to {expected_output}. "
        "Train anew."
    ),
    "batch_shape": (
        "Received a batch of {received}, expected float32 (n, 28, 28, 1). Make it with digits.data.images.make_batch."
    ),
    "threshold_impossible": "Received the threshold {value} for {name}, expected 0 to 1.",
    "thresholds_unreadable": (
        "The acceptance network's thresholds cannot be read ({error}). Train anew with `make run_train`."
    ),
    # digits.networks and digits.training: settings
    "setting_not_positive": "Received {name} {value}, expected a number above 0.",
    "setting_not_a_share": "Received {name} {value}, expected 0 or more, below 1.",
    "seed_out_of_range": "Received seed {seed}, expected an integer from 0 to 4294967295.",
    "digits_too_few": (
        "Received {num} digits to train on, expected at least one batch of {batch_size}; use a larger file."
    ),
    "held_out_share": "Received {share} of the digits to hold out, expected a share between 0 and 1.",
    "held_out_too_few": (
        "Received {num} digits with {counts} of the labels 0-9, expected enough of each to hold out {share}; "
        "use a larger file, or name a separate test file."
    ),
    "writers_unreadable": (
        "{path}: expected an .npz with `writers`, {num} integers from 0 to 65535; received {received}."
    ),
    "too_few_of_every_label": "Received {num} digits, expected 6 or more of a label, one for each fold.",
    "too_few_writers": "Received digits by {num} writers, expected 6 or more, one for each fold.",
    "output_is_a_folder": "Received --output {path}, a folder; expected the .h5 to write.",
    # digits.training: people's own digits
    "folder_without_pictures": (
        "{folder}: received no picture in {num} files, expected folders 0 to 9 with pictures of each."
    ),
    "too_few_to_hold_out": "Received too few digits in {names} to hold any out; name some with --test.",
    "start_from_elsewhere": "Received --from {path}, a network from elsewhere; expected one that train.py wrote.",
    "mlflow_missing": (
        "Received MLFLOW_TRACKING_URI, expected MLflow to be installed ({error}); pip install '.[mlflow]', or unset it."
    ),
    # digits.training: checkpoints
    "checkpoint_missing": "{path}: no interrupted run to resume; start one without --resume.",
    "checkpoint_not_whole": "{path}: not a whole checkpoint ({error}); start anew without --resume.",
    "checkpoint_of_another_run": (
        "{path}: the interrupted run differs from this one in {names}: received {received}, expected {expected}. "
        "Give the same options and data, or start anew without --resume."
    ),
    # digits.training: Keras files and their export
    "graph_differs": (
        "{path}: the serving graph's probabilities differ from the network's by {difference}, expected at most 1e-05; "
        "nothing was written. Use layers that ONNX can express."
    ),
    "graph_impossible": (
        "{path}: the network cannot become ONNX ({error}); nothing was written. Use layers that ONNX can express."
    ),
    "keras_file_ending": "{path}: received the ending {ending}, expected .h5, .hdf5 or .keras; rename it.",
    "keras_file_not_whole": (
        "{path}: received {size} bytes that are not a whole .keras ({error}). Save the model anew."
    ),
    "keras_file_member": (
        "{path}: received {name} of {num} bytes in a file of {size}, expected config.json, metadata.json, "
        "model.weights.h5, uncompressed; save the model anew."
    ),
    "network_shape": (
        "{path}: received a network from {input} to {output}, expected (n, 28, 28, 1), (n, 28, 28) or (n, 784) "
        "to (n, 10)."
    ),
    "network_misreads": (
        "{path}: received a network that reads at most {accuracy} of {num} digits, expected 90%. Tried pixels of "
        "{tried}. Train it on 28x28 digits, upright and centred as MNIST's."
    ),
    "network_scores": (
        "{path}: received scores of 0 to 1 with sums of {least} to {most}, expected logits or probabilities; "
        "end the network in a softmax."
    ),
    "output_ending": "{path}: received the ending {ending}, expected .h5, .onnx, .tflite; name another output.",
    "output_is_there": "{path}: is there already; name it as the output to replace it, or name another.",
    "keras_file_code": (
        "{path}: received {name} of {module}, expected Keras's own layers only: a file that brings code is not loaded. "
        "Rebuild the model without it and save it again."
    ),
    "keras_file_no_model": "{path}: Keras cannot build the model in it ({error}).",
    "keras_file_shape": (
        "{path}: received a network from {input} to {output}, expected (n, 28, 28, 1) to probabilities (n, 10)."
    ),
    "keras_file_scores": (
        "{path}: received scores {least} to {most} with the sum {sum}, expected probabilities; "
        "end the network in a softmax."
    ),
    # digits.cli
    "pattern_without_files": "Received the pattern {pattern}, which no file matches; check the path.",
    "extra_missing": (
        "Received an installation without {packages}; install what is missing in a clone: pip install '.[{extra}]'."
    ),
    # digits.exploration
    "option_below_one": "argument {option}: received {value}, expected at least 1",
    "study_of_other_digits": (
        "Received digits {received}, but study {study} was begun with {begun}; "
        "name that file, or a new database with STORAGE."
    ),
    "study_out_of_reach": (
        "The study cannot be opened at {storage} ({error}); expected a database that can be reached, such as "
        "sqlite:///reports/search.db or postgresql+psycopg://user:password@host/name."
    ),
    "points_too_many": (
        "Received {num} digits for {points} points of {batch_size} at least, expected as many; "
        "use more digits or fewer points."
    ),
    "notebook_cell_failed": "{path}: a cell failed.\n{error}",
}


def wording(kind: str, /, **parts: object) -> str:
    """Return a pattern of the sentence to its very end; what a caller puts before it, a file's name, may stand there.

    Args:
        kind: A key of `WORDINGS`.
        parts: What stands for a `{name}` of it: a value, or a compiled pattern. What is not given may be anything.
    """
    return f"{quote(kind, **parts).pattern}$"


def quote(kind: str, /, **parts: object) -> re.Pattern[str]:
    """Return a pattern of the sentence wherever it stands, also inside another."""
    text, *rest = re.split(r"\{(\w+)\}", WORDINGS[kind])
    unknown = parts.keys() - set(rest[::2])
    assert not unknown, f"{kind} has no part {unknown}"
    pattern = re.escape(text)
    for name, text in zip(rest[::2], rest[1::2], strict=True):
        part = parts.get(name, re.compile(".*"))
        pattern += part.pattern if isinstance(part, re.Pattern) else re.escape(str(part))
        pattern += re.escape(text)
    return re.compile(f"(?s:{pattern})")
