"""Draw the pictures of a training run, as PNG files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import ConfusionMatrixDisplay

from digits.data.dataset import LabelledImages
from digits.data.images import MAX_PIXEL, NUM_CLASSES
from digits.training.checkpoint import History
from digits.training.palette import BLUE

_MAX_MISREAD = 60


def save_reports(
    folder: Path, history: History, digits: LabelledImages, probabilities: NDArray[np.float32]
) -> list[Path]:
    """Draw learning curves, confusion matrix and misread digits.

    Args:
        folder: The folder for the files, which is made if it is missing.
        history: Loss and accuracy, a number for each epoch.
        digits: The scored digits.
        probabilities: float32 `(n, 10)`, rows sum to 1.

    Returns:
        The written files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "learning_curves.png": draw_learning_curves(history),
        "confusion_matrix.png": draw_confusion_matrix(digits.labels, probabilities.argmax(axis=1)),
        "misread_digits.png": draw_misread_digits(digits.images, digits.labels, probabilities),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=130)
    return [folder / name for name in figures]


def draw_learning_curves(history: History) -> Figure:
    """Draw loss and error on the distorted training digits after each epoch."""
    figure = Figure((9, 3.5), layout="constrained")
    errors = [100 * (1 - accuracy) for accuracy in history["accuracy"]]
    curves = (("Cross-entropy (nats)", history["loss"]), ("Error (%)", errors))
    for axes, (title, values) in zip(figure.subplots(1, 2), curves, strict=True):
        axes.plot(range(1, len(values) + 1), values, marker="o", markersize=3, color=BLUE)
        axes.set_yscale("log")
        axes.xaxis.get_major_locator().set_params(integer=True)
        tidy(axes, f"{title}, distorted training digits", "Epoch", title)
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
        draw_image(axes, image, title)
    for axes in figure.axes[len(images) :]:
        axes.axis("off")
    return figure


def draw_image(axes: Axes, image: NDArray[Any], title: str = "", size: float = 7.5) -> None:
    """Draw one digit as ink on paper, without axes."""
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=MAX_PIXEL)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#cccccc")
    if title:
        axes.set_title(title, fontsize=size, pad=3)


def tidy(axes: Axes, title: str, x: str, y: str, *, grid: bool = True) -> None:
    """Name the axes and their units, add a legend of what has a label, and remove what carries no information."""
    axes.set_title(title, fontsize=10.5, loc="left")
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(visible=True, alpha=0.25)
        axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8)
