"""From an .h5 to a classifier: a batch of images to probabilities, and to the reasons for which images are rejected."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digits.data.images import BATCH_SHAPE
from digits.errors import ArtifactError, PixelError, ServingGraphError
from digits.inference.artifact import Artifact, read_artifact
from digits.inference.onnx_session import Predict, open_graph
from digits.inference.precision import Precision, Served, choose_precision
from digits.inference.rejection import Reason, Thresholds, find_reasons, read_thresholds


@dataclass(frozen=True)
class Classifier:
    """A loaded model.

    Attributes:
        artifact: Where it came from.
        compute_probabilities: float32 `(n, 28, 28, 1)` in [0, 1] to float32 `(n, 10)`; unchecked.
        compute_acceptance: The same batch to float32 `(n, 1)` in [0, 1], or None where the file has no second network.
        thresholds: Below which an image is not accepted as a digit.
        precision: Which of the file's graphs compute.
    """

    artifact: Artifact
    compute_probabilities: Predict
    compute_acceptance: Predict | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    precision: Served = "fp32"

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities.

        Args:
            batch: float32 `(n, 28, 28, 1)` in [0, 1], as `images.make_batch` makes it.

        Returns:
            float32 `(n, 10)`, rows sum to 1.

        Raises:
            PixelError: If the batch has another shape or type.
        """
        if batch.dtype != np.float32 or batch.shape[1:] != BATCH_SHAPE:
            raise PixelError(
                f"Received a batch of {batch.dtype} {batch.shape}, expected float32 (n, 28, 28, 1).",
                code="wrong_shape",
                hint="Make it with digits.data.images.make_batch.",
            )
        return self.compute_probabilities(batch)

    def measure_acceptance(self, batch: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Return how probable it is that each image shows a digit at all.

        Args:
            batch: float32 `(n, 28, 28, 1)` in [0, 1].

        Returns:
            float32 `(n,)` in [0, 1], near 1 for digits; None if the file has no acceptance network.
        """
        return None if self.compute_acceptance is None else self.compute_acceptance(batch)[:, 0]

    def find_reasons(self, batch: NDArray[np.float32], probabilities: NDArray[np.float32]) -> list[Reason | None]:
        """Find for each image why it is not accepted as a digit: `blank`, `not_a_digit` or `ambiguous`.

        Args:
            batch: float32 `(n, 28, 28, 1)` in [0, 1].
            probabilities: float32 `(n, 10)`, what `predict` returned for it.

        Returns:
            None for each image that is accepted. Without an acceptance network `not_a_digit` cannot be told.
        """
        return find_reasons(batch, probabilities, self.measure_acceptance(batch), self.thresholds)


def load_classifier(path: Path, num_threads: int = 1, precision: Precision | None = None) -> Classifier:
    """Load an .h5 once, for many predictions.

    Args:
        path: An artifact of this project, or a Keras .h5 that `digits.training.export` gave its graph.
        num_threads: For one prediction; more than one pays for large batches only.
        precision: Which of its graphs; None stands for what DIGITS_PRECISION chooses in the environment.

    Raises:
        ArtifactError: If the file cannot be used; `ServingGraphError` if it lacks the graph.
    """
    artifact = read_artifact(path)
    if artifact.serving_graph is None:
        raise ServingGraphError(
            f"{path}: received a Keras file without a serving graph, expected one with it. "
            f"Add the graph where the project is installed: `python -m digits.training.export {path}`."
        )
    try:
        return _open_graphs(artifact, artifact.serving_graph, num_threads, choose_precision(artifact, precision))
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error


def _open_graphs(artifact: Artifact, serving_graph: bytes, num_threads: int, precision: Served) -> Classifier:
    acceptance_graph = artifact.acceptance_graph
    if precision == "int8" and artifact.int8 is not None:
        serving_graph = artifact.int8.serving_graph
        acceptance_graph = artifact.int8.acceptance_graph or acceptance_graph
    compute_probabilities = open_graph(serving_graph, num_threads)
    if acceptance_graph is None:
        return Classifier(artifact.release_graphs(), compute_probabilities, precision=precision)
    compute_acceptance = open_graph(acceptance_graph, num_threads, output_shape=(1,))
    thresholds = read_thresholds(artifact.provenance)
    return Classifier(artifact.release_graphs(), compute_probabilities, compute_acceptance, thresholds, precision)
