"""Pictures of the digits, for the notebook."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from digits.data.images import MAX_PIXEL, NUM_CLASSES, SIZE
from digits.training.palette import BLUE, GREEN, GREY, ORANGE, PURPLE

# Ten that differ in lightness too; every point carries its digit besides.
DIGIT_COLOURS = (
    BLUE,
    ORANGE,
    GREEN,
    PURPLE,
    "#000000",
    "#56B4E9",
    "#9A6A00",
    "#6A3D9A",
    "#E69F00",
    "#7F7F7F",
)
WIDTH = 9.0
"""Inches, of every figure: the width of a notebook's page."""


def tidy(axes: Axes, title: str, x: str, y: str, *, grid: bool = True) -> None:
    """Name axes and units, and take away what carries no information."""
    axes.set_title(title, fontsize=10.5, loc="left")
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(visible=True, alpha=0.25)
        axes.set_axisbelow(True)


def draw_image(axes: Axes, image: NDArray[np.uint8], title: str = "", size: float = 8) -> None:
    """Draw one digit as ink on paper, without axes."""
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=MAX_PIXEL)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#cccccc")
    if title:
        axes.set_title(title, fontsize=size, pad=3)


def draw_label_counts(labels: dict[str, NDArray[np.int64]]) -> Figure:
    """Draw how many digits carry each label, a panel for each file, the mean dashed.

    Args:
        labels: By the file's name, int64 `(n,)`.
    """
    figure = Figure((WIDTH, 3.2), layout="constrained")
    for axes, (name, some) in zip(np.ravel(figure.subplots(1, len(labels))), labels.items(), strict=True):
        bars = axes.bar(range(NUM_CLASSES), np.bincount(some, minlength=NUM_CLASSES), color=BLUE)
        axes.bar_label(bars, fmt="{:,.0f}", fontsize=7, padding=2)
        axes.axhline(len(some) / NUM_CLASSES, color=ORANGE, linestyle="--", linewidth=1, label="equal shares")
        axes.set_xticks(range(NUM_CLASSES))
        axes.margins(y=0.2)
        axes.legend(frameon=False, fontsize=8, loc="upper right")
        tidy(axes, f"{name}: {len(some):,} digits", "Label", "Digits", grid=False)
    return figure


def draw_pixel_order(image: NDArray[np.uint8], marked: int) -> Figure:
    """Draw a row of 784 pixels, and the image that it folds into, with one pixel marked in both."""
    figure = Figure((WIDTH, 5.2), layout="constrained")
    row_axes, image_axes = figure.subplots(2, 1, height_ratios=[1, 4.5])
    row_axes.bar(range(image.size), image.ravel(), width=1.0, color=GREY)
    row_axes.plot(marked, image.flat[marked], "v", color=ORANGE, markersize=8)
    tidy(row_axes, f"The row: 784 pixels, pixel{marked} marked", "Pixel x", "Grey level", grid=False)
    row_axes.set(xlim=(-1, image.size), ylim=(0, 330), xticks=range(0, image.size, 4 * SIZE), yticks=(0, MAX_PIXEL))
    image_axes.imshow(image, cmap="gray_r", vmin=0, vmax=MAX_PIXEL)
    row, column = divmod(marked, SIZE)
    image_axes.add_patch(
        _make_frame(column, row, label=f"pixel{marked} = {row}*28 + {column}, level {image[row, column]}")
    )
    image_axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    image_axes.set(xticks=range(0, SIZE, 4), yticks=range(0, SIZE, 4))
    tidy(image_axes, "The image: x = i*28 + j", "Column j (pixels)", "Row i (pixels)", grid=False)
    return figure


def _make_frame(column: int, row: int, label: str) -> Rectangle:
    return Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=ORANGE, linewidth=2.5, label=label)


def draw_gallery(images: NDArray[np.uint8], labels: NDArray[np.int64], num_columns: int = 16) -> Figure:
    """Draw the first digits of each label, a row a label."""
    figure = Figure((WIDTH, WIDTH * NUM_CLASSES / num_columns + 0.3), layout="constrained")
    figure.suptitle(f"The first {num_columns} training digits of each label", fontsize=10.5)
    for digit, row in enumerate(figure.subplots(NUM_CLASSES, num_columns)):
        for axes, index in zip(row, np.flatnonzero(labels == digit), strict=False):
            draw_image(axes, images[index])
        row[0].set_ylabel(f"{digit}", rotation=0, labelpad=10, va="center")
    return figure


def draw_mean_and_spread(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Figure:
    """Draw the mean of each label's images, and the standard deviation of each pixel."""
    figure = Figure((WIDTH, 2.5), layout="constrained")
    grid = figure.subplots(2, NUM_CLASSES)
    for digit in range(NUM_CLASSES):
        chosen = images[labels == digit].astype(np.float32)
        for axes, values, shade in ((grid[0, digit], chosen.mean(axis=0), "gray_r"),
                                    (grid[1, digit], chosen.std(axis=0), "viridis")):  # fmt: skip
            shown = axes.imshow(values, cmap=shade, vmin=0, vmax=MAX_PIXEL if shade == "gray_r" else MAX_PIXEL / 2)
            axes.set(xticks=[], yticks=[])
            if not digit:
                figure.colorbar(shown, ax=list(grid[0] if shade == "gray_r" else grid[1]), label="Grey level", pad=0.01)
        grid[0, digit].set_title(f"{digit}", fontsize=10)
    grid[0, 0].set_ylabel("Mean", fontsize=9)
    grid[1, 0].set_ylabel("Std. dev.", fontsize=9)
    return figure


def draw_by_digit(measures: dict[str, NDArray[np.floating]], labels: NDArray[np.int64]) -> Figure:
    """Draw how measures spread for each label: median, quartiles, and whiskers to 5 and 95 %.

    Args:
        measures: By a title with the unit in brackets, a number a digit, `(n,)`.
        labels: int64 `(n,)`, 0-9.
    """
    figure = Figure((WIDTH, 3.2), layout="constrained")
    for axes, (title, values) in zip(np.ravel(figure.subplots(1, len(measures))), measures.items(), strict=True):
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
    """Draw where the centres of mass lie, as a histogram over the image's middle."""
    figure = Figure((WIDTH, 3.2), layout="constrained")
    map_axes, row_axes = figure.subplots(1, 2)
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
    row_axes.legend(frameon=False, fontsize=8)
    tidy(row_axes, "The same, row and column apart", "Centre of mass (pixels)", "Digits")
    return figure


def draw_pairs(pairs: Sequence[tuple[NDArray[np.uint8], str, NDArray[np.uint8], str, str]]) -> Figure:
    """Draw images above their nearest neighbours.

    Args:
        pairs: Image, its title, the other, its title, and what to say of the two.
    """
    figure = Figure((WIDTH, 2.4), layout="constrained")
    grid = figure.subplots(2, len(pairs))
    for (above, below), (image, title, other, other_title, remark) in zip(grid.T, pairs, strict=True):
        draw_image(above, image, title, 7.5)
        draw_image(below, other, other_title, 7.5)
        below.set_xlabel(remark, fontsize=7.5)
    return figure


def draw_embedding(maps: dict[str, NDArray[np.floating]], labels: NDArray[np.int64]) -> Figure:
    """Draw digits as points in the plane, each as the numeral that is its label.

    Args:
        maps: By title, points `(n, 2)`.
        labels: int64 `(n,)`, 0-9.
    """
    figure = Figure((WIDTH, 4.8), layout="constrained")
    for axes, (title, points) in zip(np.ravel(figure.subplots(1, len(maps))), maps.items(), strict=True):
        for digit in range(NUM_CLASSES):
            chosen = points[labels == digit]
            axes.scatter(*chosen.T, marker=f"${digit}$", s=22, color=DIGIT_COLOURS[digit], linewidths=0.1, alpha=0.75)
            axes.annotate(
                f"{digit}",
                np.median(chosen, axis=0),
                ha="center",
                va="center",
                fontsize=13,
                weight="bold",
                zorder=5,
                color=DIGIT_COLOURS[digit],
                bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
            )
        tidy(axes, title, "First axis (no unit)", "Second axis (no unit)", grid=False)
        axes.set(xticks=[], yticks=[])
    return figure
