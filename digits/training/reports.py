"""Draw the pictures of a training run, as PNG files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import ConfusionMatrixDisplay

from digits.data.images import MAX_PIXEL, NUM_CLASSES
from digits.training.palette import BLUE

_MAX_MISREAD = 60


def save_reports(
    folder: Path,
    history: dict[str, list[float]],
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
) -> list[Path]:
    """Draw learning curves, confusion matrix and misread digits.

    Args:
        folder: The folder for the files, which is made if it is missing.
        history: Loss and accuracy, a number for each epoch.
        images: uint8 `(n, 28, 28)`, the scored digits.
        labels: int64 `(n,)`, 0-9.
        probabilities: float32 `(n, 10)`, rows sum to 1.

    Returns:
        The written files.
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


def draw_learning_curves(history: dict[str, list[float]]) -> Figure:
    """Draw loss and error on the distorted training digits after each epoch."""
    figure = Figure((9, 3.5), layout="constrained")
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
    """Draw the number of digits of each label that are read as each digit; only misread ones are coloured."""
    figure = Figure((6.5, 6), layout="constrained")
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
    """Draw the misread digits, those with the highest confidence first."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    misread = np.flatnonzero(predicted != labels)
    shown = misread[np.argsort(-confidence[misread])][:_MAX_MISREAD]
    titles = [f"{labels[index]} as {predicted[index]}, {confidence[index]:.0%}" for index in shown]
    figure = draw_titled(images[shown], titles, num_columns=10)
    figure.suptitle(f"Misread digits: {len(shown)} of {len(misread)}, label as answer, confidence")
    return figure


def draw_titled(
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], titles: Sequence[str], num_columns: int = 9
) -> Figure:
    """Draw digits in rows, one inch wide each, under their titles."""
    num_rows = max(-(-len(images) // num_columns), 1)
    figure = Figure((num_columns, 1.36 * num_rows + 0.1), layout="constrained")
    for axes, image, title in zip(np.ravel(figure.subplots(num_rows, num_columns)), images, titles, strict=False):
        draw_image(axes, image, title, 7.5)
    for axes in figure.axes[len(images) :]:
        axes.axis("off")
    return figure


def draw_image(axes: Axes, image: NDArray[np.uint8], title: str = "", size: float = 8) -> None:
    """Draw one digit as ink on paper, without axes."""
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=MAX_PIXEL)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#cccccc")
    if title:
        axes.set_title(title, fontsize=size, pad=3)
