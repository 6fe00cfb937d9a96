"""Put the graphs for 8-bit integers into an .h5, with what they change.

What is rounded differs a little. Both graphs read the same training material, the file tells what came of it, and a
network that would read worse gets no graph for int8.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages
from digits.data.files import replace_file
from digits.data.images import BATCH_SHAPE, NUM_CLASSES, make_batch, scale_pixels
from digits.errors import ArtifactError
from digits.inference.artifact import ACCEPTANCE, CHECKSUMS, GROUP, INT8, KNOWN, SERVING, SOURCE
from digits.inference.ctc import decode
from digits.inference.onnx_session import compute_in_parts, open_graph
from digits.inference.page_detector import SURE, find_marks
from digits.inference.precision import has_int8_arithmetic
from digits.inference.rejection import read_thresholds
from digits.preprocessing.line_image import LINE_HEIGHT, make_line_batch
from digits.preprocessing.page_map import NUM_CHANNELS
from digits.synthesis.lines import compose_lines
from digits.synthesis.negatives import draw_any_digits, make_negatives
from digits.synthesis.pages import compose_pages
from digits.training.quantisation import Quantisation, quantise_graph

_AT_ONCE = 10  # Inputs.
_NOISE = 2.0  # Standard deviations: by more than these fewer right answers are no accident.
_SEED = 0
_OF_PAGES = Quantisation(num_floats=3, clips=True)
"""As the other networks are quantised, twice as many answers of the page network change."""

_TINY = 1e-12  # Keeps the logarithm of a probability of 0 defined.
Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Trial:
    """What a network is calibrated on, and what both graphs then read.

    Attributes:
        calibration: Inputs that show how large activations become.
        inputs: Other inputs.
        written: What is written on them.
        read: From the network's outputs for `inputs` to as many answers.
        settings: How the network is quantised.
    """

    calibration: NDArray[np.float32]
    inputs: NDArray[np.float32]
    written: list[Any]
    read: Callable[[NDArray[np.float32]], list[Any]]
    settings: Quantisation = field(default_factory=Quantisation)


def add_int8(path: Path, digits: LabelledImages) -> str:
    """Put the graphs for int8 into a file of this project, in place of earlier ones; all else stays as it is.

    Args:
        path: The file.
        digits: Digits that it was trained on.

    Returns:
        A sentence that says what was done.
    """
    content = path.read_bytes()
    with replace_file(path) as unfinished:
        unfinished.write_bytes(content)
        with h5py.File(unfinished, "a") as file:
            return f"{path}: {_add_to_group(file[GROUP], digits)}"


def _add_to_group(group: h5py.Group, digits: LabelledImages) -> str:
    group.pop(INT8, None)
    provenance = {name: value for name, value in json.loads(group["provenance"][()]).items() if name != INT8}
    graph = group[SERVING][()].tobytes()
    shapes, trial = _compose(graph, digits)
    quantised = quantise_graph(graph, trial.calibration, trial.settings)
    if quantised is None:
        return "the network has nothing to compute in int8."
    expected, found = _compute(graph, trial.inputs, shapes), _compute(quantised, trial.inputs, shapes)
    comparison = _compare(trial, expected, found)
    if comparison["is_worse"]:
        sentence = f"no graph for int8, which would read {comparison['right_in_int8']:,} of "
    else:
        int8 = group.create_group(INT8)
        int8.attrs[SOURCE] = hashlib.sha256(graph).hexdigest()
        int8[SERVING] = np.frombuffer(quantised, np.uint8)
        if KNOWN in group:
            int8["probabilities"] = _compute(quantised, make_batch(group[KNOWN]["images"][()]), shapes)
            if ACCEPTANCE in group:
                comparison["acceptance"] = _add_acceptance(group, trial, provenance)
        for name, checksum in CHECKSUMS.items():
            if name in int8:
                int8.attrs[checksum] = hashlib.sha256(int8[name][()].tobytes()).hexdigest()
        sentence = f"the graph for int8 reads {comparison['right_in_int8']:,} of "
    del group["provenance"]
    group["provenance"] = json.dumps({**provenance, INT8: comparison})
    return f"{sentence}{comparison['num_answers']:,} right where floats read {comparison['right_in_fp32']:,}."


def _add_acceptance(group: h5py.Group, trial: Trial, provenance: dict[str, Any]) -> dict[str, Any]:
    """Put the acceptance network's graph for int8 beside the classifier's; return what it changes."""
    graph = group[ACCEPTANCE][()].tobytes()
    quantised = quantise_graph(graph, trial.calibration)
    if quantised is None:
        return {}
    least = read_thresholds(provenance).acceptance
    shapes: tuple[Shape, Shape] = BATCH_SHAPE, (1,)
    accepted = Trial(trial.calibration, trial.inputs, [True] * len(trial.inputs), lambda p: (p[:, 0] >= least).tolist())
    comparison = _compare(accepted, *(_compute(one, trial.inputs, shapes) for one in (graph, quantised)))
    if not comparison["is_worse"]:
        group[INT8][ACCEPTANCE] = np.frombuffer(quantised, np.uint8)
    return comparison


def _compute(graph: bytes, inputs: NDArray[np.float32], shapes: tuple[Shape, Shape]) -> NDArray[np.float32]:
    compute = open_graph(graph, 1, *shapes, simulates_int8=not has_int8_arithmetic())
    return compute_in_parts(compute, inputs, _AT_ONCE)


def _compare(trial: Trial, expected: NDArray[np.float32], found: NDArray[np.float32]) -> dict[str, Any]:
    """Return what int8 changes, in types that JSON can hold."""
    answers = list(zip(trial.read(expected), trial.read(found), trial.written, strict=True))
    num_lost = sum(before == truth != after for before, after, truth in answers)
    num_won = sum(before != truth == after for before, after, truth in answers)
    comparison = {
        "num_answers": len(answers),
        "answers_changed": sum(before != after for before, after, _ in answers),
        "right_in_fp32": sum(before == truth for before, _, truth in answers),
        "right_in_int8": sum(after == truth for _, after, truth in answers),
        "largest_difference": float(np.abs(found - expected).max()),
        "is_worse": num_lost - num_won > _NOISE * sqrt(num_lost + num_won),
    }
    if found.shape[1:] != (NUM_CLASSES,):
        return comparison
    likelihoods = (np.log(one[np.arange(len(one)), trial.written] + _TINY) for one in (expected, found))
    fp32, int8 = (-float(one.mean(dtype=float)) for one in likelihoods)
    return {**comparison, "negative_log_likelihood": {"fp32": fp32, "int8": int8}}


def _try_digits(digits: LabelledImages) -> Trial:
    """Return 1,000 digits and 10,000 others, or the same ones if there are no others."""
    order = np.random.default_rng(_SEED).permutation(len(digits))
    chosen, others = order[:1_000], order[1_000:11_000]
    others = others if len(others) else chosen
    batches = make_batch(digits.images[chosen]), make_batch(digits.images[others])
    return Trial(*batches, digits.labels[others].tolist(), lambda probabilities: probabilities.argmax(axis=1).tolist())


def _try_lines(digits: LabelledImages) -> Trial:
    """Return 200 made-up lines, and 500 others with their numbers."""
    hasty, labels = draw_any_digits(len(digits) // 4 + 1, np.random.default_rng(_SEED), "hasty digits")
    foreign = make_negatives(1_000, digits.images, digits.labels, _SEED, ("letters", "symbols", "scribbles"))
    images, labels = np.concatenate([digits.images, hasty]), np.concatenate([digits.labels, labels])
    lines = compose_lines(images, labels, foreign, np.arange(700), _SEED)
    batch = make_line_batch(lines.images)

    def read(probabilities: NDArray[np.float32]) -> list[Any]:
        return [decode(line)[1].argmax(axis=1).tolist() for line in probabilities]

    return Trial(batch[:200], batch[200:], lines.list_numbers()[200:], read)


def _try_pages(digits: LabelledImages) -> Trial:
    """Return 40 made-up pages, and 300 others; an answer is the label at the place of a digit, or None."""
    pages = compose_pages(digits.images, digits.labels, np.arange(340), _SEED)
    batch = scale_pixels(pages.images[..., None])
    written = [page[page[:, 4] >= 0] for page in pages.digits[40:]]

    def read(outputs: NDArray[np.float32]) -> list[Any]:
        return [label for seen, places in zip(outputs, written, strict=True) for label in _read_places(seen, places)]

    labels = [int(label) for places in written for label in places[:, 4]]
    return Trial(batch[:40], batch[40:], labels, read, _OF_PAGES)


def _read_places(seen: NDArray[np.float32], places: NDArray[np.float32]) -> Iterator[int | None]:
    """Yield the label that a page network gives the digit at each place, or None where it marks none."""
    marks = find_marks(seen, SURE)
    for x, y, _, height, _ in places.tolist():
        away = np.linalg.norm(marks.middles - (x, y), axis=1)
        is_found = bool(len(away)) and float(away.min()) < height / 3
        yield int(marks.probabilities[away.argmin()].argmax()) if is_found else None


_KINDS: tuple[tuple[Shape, Shape, Callable[[LabelledImages], Trial]], ...] = (
    (BATCH_SHAPE, (NUM_CLASSES,), _try_digits),
    ((LINE_HEIGHT, None, 1), (None, NUM_CLASSES + 1), _try_lines),
    ((None, None, 1), (None, None, NUM_CHANNELS), _try_pages),
)
"""For each kind of network its input, its output and its trial."""


def _compose(graph: bytes, digits: LabelledImages) -> tuple[tuple[Shape, Shape], Trial]:
    """Return a network's shapes and its trial."""
    for input_shape, output_shape, compose in _KINDS:
        with suppress(ArtifactError):
            open_graph(graph, 1, input_shape, output_shape)
            return (input_shape, output_shape), compose(digits)
    raise ArtifactError("Received a network of another kind, expected one of digits, lines or pages.")
