"""Images -> probabilities, from an .h5, with no TensorFlow on the way.

ONNX Runtime because it answers one image in a fraction of a millisecond from 70 MB installed, where TensorFlow needs
100 ms and 1.3 GB.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from digits.data.images import BATCH_SHAPE, NUM_CLASSES
from digits.errors import ArtifactError, PixelError, ServingGraphError
from digits.inference.artifact import Artifact, read_artifact
from digits.inference.rejection import Reason, Thresholds, judge, read_thresholds

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Classifier:
    """A loaded model.

    Attributes:
        artifact: Where it came from.
        compute_probabilities: float32 `(n, 28, 28, 1)` in [0, 1] to float32 `(n, 10)`; unchecked.
        compute_acceptance: The same batch to float32 `(n, 1)` in [0, 1], or None where the file has no second network.
        thresholds: Below which an image is not accepted as a digit.
    """

    artifact: Artifact
    compute_probabilities: Predict
    compute_acceptance: Predict | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)

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
        """Return how sure it is that each image is a digit, whichever.

        Args:
            batch: float32 `(n, 28, 28, 1)` in [0, 1].

        Returns:
            float32 `(n,)` in [0, 1], near 1 for digits; None if the file has no acceptance network.
        """
        return None if self.compute_acceptance is None else self.compute_acceptance(batch)[:, 0]

    def judge(self, batch: NDArray[np.float32], probabilities: NDArray[np.float32]) -> list[Reason | None]:
        """Say of each image why it is not accepted as a digit: `blank`, `not_a_digit` or `ambiguous`.

        Args:
            batch: float32 `(n, 28, 28, 1)` in [0, 1].
            probabilities: float32 `(n, 10)`, what `predict` returned for it.

        Returns:
            None for each image that is accepted. Without an acceptance network `not_a_digit` cannot be told.
        """
        return judge(batch, probabilities, self.measure_acceptance(batch), self.thresholds)


def load_classifier(path: Path, num_threads: int = 1) -> Classifier:
    """Load an .h5 once, for many predictions.

    Args:
        path: An artifact of this project, or any Keras .h5 with the same input and output where Keras is installed.
        num_threads: For one prediction; more than one pays for large batches only.

    Raises:
        ArtifactError: If the file cannot be used; `ServingGraphError` if it lacks the graph and Keras is missing.
    """
    artifact = read_artifact(path)
    if artifact.serving_graph is not None:
        try:
            return _open_graphs(artifact, artifact.serving_graph, num_threads)
        except ArtifactError as error:
            raise ArtifactError(f"{path}: {error}") from error
    try:
        from digits.training.keras_file import load_network
    except ImportError as error:
        raise ServingGraphError(
            f"{path}: a Keras file without a serving graph, and Keras is not installed here. "
            f"Where it is, add the graph: `python -m digits.training.keras_file {path}`."
        ) from error
    network = load_network(path)
    return Classifier(artifact, lambda batch: np.asarray(network(batch, training=False), np.float32))


def _open_graphs(artifact: Artifact, serving_graph: bytes, num_threads: int) -> Classifier:
    compute_probabilities = open_graph(serving_graph, num_threads)
    if artifact.acceptance_graph is None:
        return Classifier(artifact, compute_probabilities)
    compute_acceptance = open_graph(artifact.acceptance_graph, num_threads, output_shape=(1,))
    return Classifier(artifact, compute_probabilities, compute_acceptance, read_thresholds(artifact.provenance))


def open_graph(
    graph: bytes,
    num_threads: int = 1,
    input_shape: tuple[int | None, ...] = BATCH_SHAPE,
    output_shape: tuple[int | None, ...] = (NUM_CLASSES,),
) -> Predict:
    """Make an ONNX graph callable.

    Args:
        graph: ONNX.
        num_threads: For one call.
        input_shape: Of one of the batch; None stands for any size.
        output_shape: Likewise.

    Raises:
        ArtifactError: If it is no ONNX graph from float `(n, *input_shape)` to float `(n, *output_shape)`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    # ONNX Runtime would look for data outside the graph below the working directory; below this nothing can lie.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    # ONNX Runtime raises a dozen unrelated types for a bad graph, several of them bare Exceptions.
    except Exception as error:
        raise ArtifactError(f"The serving graph cannot be read ({error}). Train anew.") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    # A batch of any size has a name there, or nothing, instead of a number.
    found = [
        (tensor.type, *(size if isinstance(size, int) else None for size in tensor.shape))
        for tensor in (*inputs, *outputs)
    ]
    if found != [("tensor(float)", None, *shape) for shape in (input_shape, output_shape)]:
        raise ArtifactError(
            f"Received a serving graph from {[(tensor.type, tensor.shape) for tensor in inputs]} to "
            f"{[(tensor.type, tensor.shape) for tensor in outputs]}, expected float (n, {_name(input_shape)}) to "
            f"(n, {_name(output_shape)}). Train anew."
        )
    input_name, output_names = inputs[0].name, [outputs[0].name]

    def compute(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        answers: NDArray[np.float32] = session.run(output_names, {input_name: batch})[0]
        return answers

    return compute


def compute_in_parts(compute: Predict, batch: NDArray[np.float32], num_at_once: int = 1_000) -> NDArray[np.float32]:
    """Compute a large batch in parts, so that memory does not grow with it.

    Args:
        compute: As `open_graph` returns it.
        batch: float32 `(n, ...)`.
        num_at_once: Of the batch, in one part.
    """
    parts = range(0, len(batch), num_at_once)
    return np.concatenate([compute(batch[start : start + num_at_once]) for start in parts])


def _name(shape: tuple[int | None, ...]) -> str:
    return ", ".join("any" if size is None else str(size) for size in shape)
