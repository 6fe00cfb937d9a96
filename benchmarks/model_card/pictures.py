"""The pictures of docs/model-card.md."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from benchmarks.reading.corruptions import CORRUPTIONS, corrupt
from benchmarks.reading.page_photos import NUM_PAGES, PAGE_STYLES, compose_photos
from benchmarks.results import Row
from digits.data.dataset import LabelledImages
from digits.inference.page_reader import PageReader, read_page
from digits.training.metrics import NUM_CALIBRATION_BINS, measure_calibration_error
from digits.training.palette import BLUE, GREY, ORANGE
from digits.training.reports import draw_confusion_matrix, draw_misread_digits

DIGITS_IN_A_STRIP = 8


def save_pictures(
    folder: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    files: dict[str, list[Row]],
    reader: PageReader,
) -> list[Path]:
    """Draw the pictures.

    Args:
        folder: Made if need be.
        images: uint8 `(n, 28, 28)`, the test digits.
        labels: int64 `(n,)`, 0-9.
        probabilities: float32 `(n, 10)`, the model's.
        files: The lines of each benchmark's CSV by its name.
        reader: The shipped networks that read a page.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "misread.png": draw_misread_digits(images, labels, probabilities),
        "confusion.png": draw_confusion_matrix(labels, probabilities.argmax(axis=1)),
        "calibration.png": draw_calibration(labels, probabilities),
        "pages.png": draw_pages(LabelledImages(images, labels, ""), reader),
        "corruptions.png": draw_corruptions(images[:DIGITS_IN_A_STRIP], files["robustness"]),
    }
    for name, figure in figures.items():
        # No date or version inside, so that the same figures give the same bytes.
        figure.savefig(folder / name, dpi=80, metadata={"Software": None})
    return [folder / name for name in figures]


def _make_figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_calibration(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> Figure:
    """Draw the share read right, and the number of digits, by confidence."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * NUM_CALIBRATION_BINS).astype(int), NUM_CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=NUM_CALIBRATION_BINS)
    filled = np.flatnonzero(counts)
    mean_confidence, share_right = (
        np.bincount(bins, weights=values, minlength=NUM_CALIBRATION_BINS)[filled] / counts[filled]
        for values in (confidence, right)
    )
    # Two standard errors of a share; a bin of few digits tells little.
    margin = 2 * np.sqrt(mean_confidence * (1 - mean_confidence) / counts[filled])
    figure = _make_figure(5.5, 6)
    curve, histogram = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    curve.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="perfect")
    curve.errorbar(
        mean_confidence, share_right, yerr=margin, fmt="o", capsize=3, color=BLUE, label="model, ± 2 standard errors"
    )
    curve.set(title=_title_calibration(labels, probabilities), ylabel="Share read right", ylim=(-0.05, 1.15))
    curve.legend(loc="lower right")
    edges = np.arange(NUM_CALIBRATION_BINS) / NUM_CALIBRATION_BINS
    histogram.bar(edges, counts, width=1 / NUM_CALIBRATION_BINS, align="edge", color=ORANGE, edgecolor="white")
    histogram.set(yscale="log", ylabel="Digits", xlabel="Confidence", xlim=(0, 1.02))
    for axes in (curve, histogram):
        axes.grid(visible=True, alpha=0.3)
    return figure


def _title_calibration(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> str:
    error = measure_calibration_error(probabilities, labels)
    return f"Calibration on {len(labels):,} test digits: error {100 * error:.2f} %"


def draw_pages(digits: LabelledImages, reader: PageReader) -> Figure:
    """Draw made-up pages with what is read of them: the first of each kind, and the first two that are misread."""
    right, wrong = [], []
    for style in PAGE_STYLES:
        pages = list(compose_photos(digits, style, NUM_PAGES, seed=1))
        readings = [(drawing, numbers, read_page(drawing, reader)) for drawing, numbers in pages]
        is_right = [[line.number for line in reading.lines] == numbers for _, numbers, reading in readings]
        right.append(readings[is_right.index(True)])
        wrong += [one for one, was_read in zip(readings, is_right, strict=True) if not was_read]
    figure = _make_figure(11, 7)
    figure.suptitle("Made-up pages of test digits: four that are read right, two that are not")
    for axes, (drawing, numbers, reading) in zip(figure.subplots(2, 3).flat, [*right, *wrong[:2]], strict=True):
        axes.imshow(drawing, cmap="gray", vmin=0, vmax=255)
        for line in reading.lines:
            left, top, width, height = line.box
            colour = BLUE if line.number in numbers else ORANGE
            axes.add_patch(
                Rectangle((left, top), width, height, angle=line.angle, rotation_point="center", fill=False, ec=colour)
            )
            axes.text(left, top, line.number, color=colour, fontsize=8, va="bottom")
        axes.axis("off")
    return figure


def draw_corruptions(images: NDArray[np.uint8], lines: list[Row]) -> Figure:
    """Draw a strip of digits for each corruption, with its error where that was measured."""
    percents = {row["row"]: float(row["percent"]) for row in lines}
    strips = {"clean": images, **{name: corrupt(images, name) for name in CORRUPTIONS}}
    figure = _make_figure(11, 3.7)
    figure.suptitle("The same digits, clean and under each corruption")
    for axes, (name, strip) in zip(figure.subplots(4, 4).flat, strips.items(), strict=True):
        _show_strip(axes, strip)
        error = f": {percents[name]:.1f} % misread" if name in percents else ""
        axes.set_title(f"{name}{error}", fontsize=9)
    return figure


def _show_strip(axes: Axes, strip: NDArray[np.uint8]) -> None:
    axes.imshow(np.concatenate(list(np.pad(strip, ((0, 0), (0, 0), (1, 1)))), axis=1), cmap="gray_r", vmin=0, vmax=255)
    axes.axis("off")
