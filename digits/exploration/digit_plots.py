"""Draw digits and what is measured of them, for the notebook."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from digits.data.images import MAX_PIXEL, NUM_CLASSES, SIZE
from digits.training.palette import BLUE, GREEN, GREY, ORANGE, PURPLE
from digits.training.reports import draw_image, tidy

# These differ in lightness, too, and every point is drawn as its digit.
DIGIT_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "black", "#56B4E9", "#9A6A00", "#6A3D9A", "#E69F00", "#7F7F7F")
WIDTH = 9.0
"""The width of every figure in inches, which is that of a notebook's page."""


def make_panels(num: int, height: float) -> tuple[Figure, NDArray[Any]]:
    """Return a figure of this height in inches, and the axes of its panels, `(num,)`, from the left."""
    figure = Figure((WIDTH, height), layout="constrained")
    return figure, figure.subplots(1, num, squeeze=False)[0]


def draw_label_counts(labels: dict[str, NDArray[np.int64]]) -> Figure:
    """Draw the number of digits with each label, a panel for each file.

    Args:
        labels: int64 `(n,)` by the name of the file.
    """
    figure, panels = make_panels(len(labels), 3.2)
    for axes, (name, some) in zip(panels, labels.items(), strict=True):
        bars = axes.bar(range(NUM_CLASSES), np.bincount(some, minlength=NUM_CLASSES), color=BLUE)
        axes.bar_label(bars, fmt="{:,.0f}", fontsize=7, padding=2)
        axes.axhline(len(some) / NUM_CLASSES, color=ORANGE, linestyle="--", linewidth=1, label="equal shares")
        axes.set_xticks(range(NUM_CLASSES))
        axes.margins(y=0.2)
        tidy(axes, f"{name}: {len(some):,} digits", "Label", "Digits", grid=False)
    return figure


def draw_pixel_order(image: NDArray[np.uint8], marked: int) -> Figure:
    """Draw a row of 784 pixels and the image that it folds into, with one pixel marked in both."""
    figure = Figure((WIDTH, 5.2), layout="constrained")
    row_axes, image_axes = figure.subplots(2, 1, height_ratios=[1, 4.5])
    row_axes.bar(range(image.size), image.ravel(), width=1.0, color=GREY)
    row_axes.plot(marked, image.flat[marked], "v", color=ORANGE, markersize=8)
    tidy(row_axes, f"The row: 784 pixels, pixel{marked} marked", "Pixel x", "Grey level", grid=False)
    row_axes.set(xlim=(-1, image.size), ylim=(0, 330), xticks=range(0, image.size, 4 * SIZE), yticks=(0, MAX_PIXEL))
    row, column = divmod(marked, SIZE)
    name = f"pixel{marked} = {row}*28 + {column}, level {image[row, column]}"
    image_axes.imshow(image, cmap="gray_r", vmin=0, vmax=MAX_PIXEL)
    image_axes.add_patch(
        Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=ORANGE, linewidth=2.5, label=name)
    )
    image_axes.set(xticks=range(0, SIZE, 4), yticks=range(0, SIZE, 4))
    tidy(image_axes, "The image: x = i*28 + j", "Column j (pixels)", "Row i (pixels)", grid=False)
    image_axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    return figure


def draw_rows(rows: dict[str, Sequence[tuple[NDArray[Any], str]]]) -> Figure:
    """Draw rows of images.

    Args:
        rows: Images `(28, 28)`, 0-255, each with its title, by the name of their row.
    """
    num_columns = max(map(len, rows.values()))
    figure = Figure((WIDTH, len(rows) * WIDTH / num_columns + 0.4), layout="constrained")
    for panels, (name, row) in zip(figure.subplots(len(rows), num_columns), rows.items(), strict=True):
        panels[0].set_ylabel(name, fontsize=8.5)
        for axes, (image, title) in zip(panels, row, strict=False):
            draw_image(axes, image, title)
    return figure


def draw_mean_and_spread(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Figure:
    """Draw the mean and the standard deviation of each pixel, for each label."""
    figure = Figure((WIDTH, 2.5), layout="constrained")
    measures: Any = (("Mean", np.mean, "gray_r", MAX_PIXEL), ("Std. dev.", np.std, "viridis", MAX_PIXEL / 2))
    for row, (name, measure, colours, highest) in zip(figure.subplots(2, NUM_CLASSES), measures, strict=True):
        for digit, axes in enumerate(row):
            values = measure(images[labels == digit].astype(np.float32), axis=0)
            shown = axes.imshow(values, cmap=colours, vmin=0, vmax=highest)
            axes.set(xticks=[], yticks=[], title=f"{digit}" if measure is np.mean else "")
        row[0].set_ylabel(name, fontsize=9)
        figure.colorbar(shown, ax=list(row), label="Grey level", pad=0.01)
    return figure


def draw_by_digit(measures: dict[str, NDArray[np.floating]], labels: NDArray[np.int64]) -> Figure:
    """Draw the median, the quartiles, and the 5th and 95th percentile of measures, for each label.

    Args:
        measures: Numbers `(n,)`, one for each digit, by a title with the unit in brackets.
        labels: int64 `(n,)`, 0-9.
    """
    figure, panels = make_panels(len(measures), 3.2)
    for axes, (title, values) in zip(panels, measures.items(), strict=True):
        axes.boxplot(
            [values[labels == digit] for digit in range(NUM_CLASSES)],
            positions=range(NUM_CLASSES),
            widths=0.65,
            whis=(5, 95),
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": "#a6cee3", "edgecolor": BLUE},
            medianprops={"color": ORANGE, "linewidth": 2},
        )
        axes.axhline(float(np.median(values)), color=GREY, linewidth=0.8, linestyle=":")
        tidy(axes, title.partition(" (")[0], "Label", title)
    return figure


def draw_centres(rows: NDArray[np.floating], columns: NDArray[np.floating]) -> Figure:
    """Draw histograms of the digits' centres of mass, given in pixels, around the middle of the image."""
    figure, (map_axes, row_axes) = make_panels(2, 3.2)
    edges = np.linspace(SIZE / 2 - 0.75, SIZE / 2 + 0.75, 61)
    *_, drawn = map_axes.hist2d(columns, rows, bins=[edges, edges], cmap="viridis", cmin=1)
    figure.colorbar(drawn, ax=map_axes, label="Digits")
    map_axes.plot(SIZE / 2, SIZE / 2, "+", color=ORANGE, markersize=14, markeredgewidth=2)
    map_axes.set_aspect("equal")
    map_axes.invert_yaxis()
    tidy(map_axes, "Centre of mass; + is pixel (14, 14)", "Column (pixels)", "Row (pixels)", grid=False)
    for values, name, colour, style in ((rows, "row", BLUE, "-"), (columns, "column", ORANGE, "--")):
        row_axes.hist(values, bins=edges, histtype="step", color=colour, linestyle=style, linewidth=1.6, label=name)
    row_axes.axvline((SIZE - 1) / 2, color=GREY, linewidth=1, linestyle=":", label="middle of the image")
    row_axes.margins(y=0.35)
    tidy(row_axes, "The same, row and column apart", "Centre of mass (pixels)", "Digits")
    return figure


def draw_embedding(maps: dict[str, NDArray[np.floating]], labels: NDArray[np.int64]) -> Figure:
    """Draw digits as points in the plane, each as the numeral of its label.

    Args:
        maps: Points `(n, 2)` by the title of their panel.
        labels: int64 `(n,)`, 0-9.
    """
    figure, panels = make_panels(len(maps), 4.8)
    paper = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    for axes, (title, points) in zip(panels, maps.items(), strict=True):
        for digit, colour in enumerate(DIGIT_COLOURS):
            chosen = points[labels == digit]
            axes.scatter(*chosen.T, marker=f"${digit}$", s=22, color=colour, linewidths=0.1, alpha=0.75)
            x, y = np.median(chosen, axis=0)
            axes.text(x, y, f"{digit}", ha="center", va="center", size=13, weight="bold", color=colour, bbox=paper)
        tidy(axes, title, "First axis (no unit)", "Second axis (no unit)", grid=False)
        axes.set(xticks=[], yticks=[])
    return figure
