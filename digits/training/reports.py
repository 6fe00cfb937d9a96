"""Pictures of a training run, as PNG files."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import ConfusionMatrixDisplay

from digits.data.images import NUM_CLASSES
from digits.training.palette import BLUE

_MISREAD_SHOWN = 60
_GALLERY_COLUMNS = 10


def save_reports(
    folder: Path,
    history: dict[str, list[float]],
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
) -> list[Path]:
    """Draw learning curves, confusion matrix and misread digits.

    Args:
        folder: Made if need be.
        history: Loss and accuracy, a number an epoch.
        images: uint8 `(n, 28, 28)`, what was scored.
        labels: int64 `(n,)`, 0-9.
        probabilities: float32 `(n, 10)`.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "learning_curves.png": draw_learning_curves(history),
        "confusion_matrix.png": draw_confusion_matrix(labels, probabilities.argmax(axis=1)),
        "misread_digits.png": draw_misread_digits(images, labels, probabilities),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=130)
    return [folder / name for name in figures]


def _make_figure(width: float, height: float) -> Figure:
    # Not pyplot.figure: that keeps every figure alive and may ask for a display.
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_learning_curves(history: dict[str, list[float]]) -> Figure:
    """Draw loss and error on the distorted training digits by epoch."""
    figure = _make_figure(9, 3.5)
    loss_axes, error_axes = figure.subplots(1, 2)
    epochs = np.arange(1, len(history["loss"]) + 1)
    curves = (
        (loss_axes, history["loss"], "Cross-entropy (nats)"),
        (error_axes, [100 * (1 - accuracy) for accuracy in history["accuracy"]], "Error (%)"),
    )
    for axes, values, title in curves:
        axes.plot(epochs, values, marker="o", markersize=3, color=BLUE)
        axes.set(title=f"{title}, distorted training digits", xlabel="Epoch", ylabel=title)
        axes.set_yscale("log")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(visible=True, which="both", alpha=0.3)
    return figure


def draw_confusion_matrix(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> Figure:
    """Draw which digit is read as which; the diagonal, all that is right, is left uncoloured."""
    figure = _make_figure(6.5, 6)
    axes = figure.subplots()
    display = ConfusionMatrixDisplay.from_predictions(
        labels, predicted, labels=range(NUM_CLASSES), ax=axes, colorbar=False, include_values=False
    )
    errors = display.confusion_matrix.copy()
    np.fill_diagonal(errors, 0)
    display.im_.set(data=errors, cmap="Oranges", clim=(0, max(errors.max(), 1)))
    for (row, column), count in np.ndenumerate(display.confusion_matrix):
        if count:
            color = "white" if errors[row, column] > 0.6 * errors.max() else "black"
            axes.text(column, row, f"{count}", ha="center", va="center", fontsize=8, color=color)
    axes.set(title=f"{errors.sum()} of {len(labels):,} misread", xlabel="Read as", ylabel="Label")
    return figure


def draw_misread_digits(
    images: NDArray[np.uint8], labels: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> Figure:
    """Draw the misread digits, the most confident mistakes first."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    misread = np.flatnonzero(predicted != labels)
    shown = misread[np.argsort(-confidence[misread])][:_MISREAD_SHOWN]
    num_rows = max(-(-len(shown) // _GALLERY_COLUMNS), 1)
    figure = _make_figure(_GALLERY_COLUMNS, 1.35 * num_rows + 0.7)
    grid = figure.subplots(num_rows, _GALLERY_COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, index in zip(grid.flat, shown, strict=False):
        axes.imshow(images[index], cmap="gray_r", vmin=0, vmax=255)
        axes.set_title(f"{labels[index]} as {predicted[index]}, {confidence[index]:.0%}", fontsize=8)
    figure.suptitle(f"Misread digits: {len(shown)} of {len(misread)}, label as answer, confidence")
    return figure
