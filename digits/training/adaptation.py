"""Bring a network from elsewhere to the form that is served: pixels of 0 to 1, 0 is paper, to probabilities.

People train on pixels of 0 to 1 or 0 to 255, standardised, or with dark ink. No file says which. So the network reads
labelled digits in every form, and the form that it reads best is computed inside the network from then on.
"""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages
from digits.data.images import BATCH_SHAPE, MAX_PIXEL, NUM_CLASSES, NUM_PIXELS, SIZE, make_batch
from digits.errors import ArtifactError
from digits.training.keras_file import sums_to_one

LEAST_ACCURACY = 0.9
"""A network that reads fewer of the digits is refused: it was trained on something else."""
NUM_DIGITS = 1_000
"""So many labelled digits are read in each form."""
# The first form is taken that is within this share of the best accuracy, and of these within this negative
# log-likelihood, in nats, of the best. A network may not care for the level of the paper, for instance.
_AS_ACCURATE, _AS_LIKELY = 0.01, 0.02
_INPUT_SHAPES = (BATCH_SHAPE, (SIZE, SIZE), (NUM_PIXELS,))
_MNIST_MEAN, _MNIST_DEVIATION = 0.1307, 0.3081  # Of the training pixels in [0, 1], as tutorials give them.


@dataclass(frozen=True)
class PixelForm:
    """What a network takes for a pixel: `scale * pixel + offset`, of a pixel in [0, 1] where 0 is paper."""

    name: str
    scale: float
    offset: float = 0.0

    def invert(self) -> "PixelForm":
        """Return the form of the same range in which ink is dark."""
        return PixelForm(f"{self.name}, dark ink", -self.scale, self.scale + self.offset)


_LIGHT_INK = (
    PixelForm("0 to 1", 1),
    PixelForm("0 to 255", MAX_PIXEL),
    PixelForm("-1 to 1", 2, -1),
    PixelForm("-0.5 to 0.5", 1, -0.5),
    PixelForm("standardised by MNIST's mean", 1 / _MNIST_DEVIATION, -_MNIST_MEAN / _MNIST_DEVIATION),
)
FORMS = (*_LIGHT_INK, *(form.invert() for form in _LIGHT_INK))


@dataclass(frozen=True)
class Adaptation:
    """How a network was brought to the form that is served.

    Attributes:
        input_shape: Of one image, as the network was trained on it.
        pixels: The name of the form.
        outputs: `probabilities` or `logits`.
        accuracy: The share of the labelled digits that it reads correctly.
        num_digits: How many these are.
    """

    input_shape: tuple[int, ...]
    pixels: str
    outputs: str
    accuracy: float
    num_digits: int


def adapt_network(network: keras.Model, digits: LabelledImages, path: Path) -> tuple[keras.Model, Adaptation]:
    """Return the network in the form that is served, and what that took; one that has this form stays as it is.

    Args:
        network: From images in any of `FORMS` to ten logits or probabilities.
        digits: Labelled digits that it was not trained on; the first `NUM_DIGITS` are read.
        path: Its file, for the errors.

    Raises:
        ArtifactError: If it has another input or output, or reads too few of the digits in every form.
    """
    shapes = (network.input_shape, network.output_shape)
    if shapes not in [((None, *shape), (None, NUM_CLASSES)) for shape in _INPUT_SHAPES]:
        raise ArtifactError(
            f"{path}: received a network from {shapes[0]} to {shapes[1]}, expected (n, 28, 28, 1), (n, 28, 28) or "
            f"(n, 784) to (n, {NUM_CLASSES})."
        )
    input_shape = network.input_shape[1:]
    some = digits.take(slice(NUM_DIGITS))
    batch = make_batch(some.images).reshape(-1, *input_shape)
    scores = [network.predict(batch * form.scale + form.offset, batch_size=500, verbose=0) for form in FORMS]
    accuracies = [float((one.argmax(axis=1) == some.labels).mean()) for one in scores]
    if max(accuracies) < LEAST_ACCURACY:
        tried = "; ".join(f"{form.name}: {share:.1%}" for form, share in zip(FORMS, accuracies, strict=True))
        raise ArtifactError(
            f"{path}: received a network that reads at most {max(accuracies):.1%} of {len(some):,} digits, expected "
            f"{LEAST_ACCURACY:.0%}. Tried pixels of {tried}. Train it on 28x28 digits, upright and centred as MNIST's."
        )
    candidates = [index for index, share in enumerate(accuracies) if share >= max(accuracies) - _AS_ACCURATE]
    surprises = {index: _measure_surprise(scores[index], some.labels) for index in candidates}
    best = next(index for index in candidates if surprises[index] <= min(surprises.values()) + _AS_LIKELY)
    outputs = _name_outputs(scores[best], path)
    adaptation = Adaptation(input_shape, FORMS[best].name, outputs, accuracies[best], len(some))
    return _fold(network, FORMS[best], outputs), adaptation


def _name_outputs(scores: NDArray[np.float32], path: Path) -> str:
    if sums_to_one(scores):
        return "probabilities"
    if scores.min() >= 0 and scores.max() <= 1:
        raise ArtifactError(
            f"{path}: received scores of 0 to 1 with sums of {scores.sum(axis=1).min():.3g} to "
            f"{scores.sum(axis=1).max():.3g}, expected logits or probabilities; end the network in a softmax."
        )
    return "logits"


def _measure_surprise(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return the mean negative log-likelihood of the labels, in nats."""
    exact = scores.astype(float)
    logits = np.log(exact.clip(1e-30)) if sums_to_one(scores) else exact
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[np.arange(len(labels)), labels]
    return float((np.log(np.exp(logits).sum(axis=1)) - chosen).mean())


def _fold(network: keras.Model, form: PixelForm, outputs: str) -> keras.Model:
    """Return the network with its form, shape and softmax inside."""
    is_ready = form.scale == 1 and form.offset == 0
    if is_ready and network.input_shape[1:] == BATCH_SHAPE and outputs == "probabilities":
        return network
    pixels = keras.Input(BATCH_SHAPE, name="pixels")
    x = pixels if is_ready else keras.layers.Rescaling(form.scale, form.offset, name="pixel_form")(pixels)
    if network.input_shape[1:] != BATCH_SHAPE:
        x = keras.layers.Reshape(network.input_shape[1:], name="pixel_shape")(x)
    scores = network(x, training=False)
    probabilities = scores if outputs == "probabilities" else keras.layers.Softmax(name="probabilities")(scores)
    return keras.Model(pixels, probabilities, name="digits")
