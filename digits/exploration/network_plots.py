"""Pictures of networks and of the search for one, for the notebook."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve

from digits.exploration.digit_plots import WIDTH, draw_image, tidy
from digits.exploration.short_training import Curve
from digits.training.palette import BLUE, GREEN, GREY, ORANGE


def _scale_logarithmically(axes: Axes) -> None:
    """Make the upward axis logarithmic, with plain numbers at its ticks."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7), numticks=30))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def draw_curve(curve: Curve, name: str) -> Figure:
    """Draw loss and error by the digits seen, on training digits as they were distorted and on held-out ones."""
    figure = Figure((WIDTH, 2.9), layout="constrained")
    panels = (
        ("Cross-entropy (nats)", curve.loss, curve.held_out_loss),
        ("Error (%)", 100 * np.array(curve.error), 100 * np.array(curve.held_out_error)),
    )
    for axes, (title, training, held_out) in zip(figure.subplots(1, 2), panels, strict=True):
        seen = np.array(curve.digits_seen) / 1000
        axes.plot(seen, training, "o--", color=ORANGE, markersize=4, label="training, since the last point")
        axes.plot(seen, held_out, "s-", color=BLUE, markersize=4, label="held out")
        _scale_logarithmically(axes)
        axes.legend(frameon=False, fontsize=8)
        tidy(axes, f"{name}: {title.partition(' (')[0].lower()}", "Training digits seen (thousands)", title)
    return figure


def draw_losses(curves: dict[str, Curve]) -> Figure:
    """Draw the held-out cross-entropy of several trainings in one panel."""
    figure = Figure((WIDTH, 2.9), layout="constrained")
    axes = figure.subplots()
    for (name, curve), colour, style in zip(curves.items(), (BLUE, ORANGE, GREEN), ("s-", "o--", "^:"), strict=False):
        axes.plot(np.array(curve.digits_seen) / 1000, curve.held_out_loss, style, color=colour, label=name)
    _scale_logarithmically(axes)
    axes.legend(frameon=False, fontsize=8)
    tidy(axes, "A linear model on held-out digits", "Training digits seen (thousands)", "Cross-entropy (nats)")
    return figure


def draw_distorted(image: NDArray[np.uint8], rows: dict[str, NDArray[np.floating]]) -> Figure:
    """Draw one digit and, a row for each strength, what the distortion makes of it.

    Args:
        image: uint8 `(28, 28)`, as it was written.
        rows: By the row's name, `(n, 28, 28)` in [0, 1].
    """
    num_columns = len(next(iter(rows.values()))) + 1
    figure = Figure((WIDTH, len(rows) * WIDTH / num_columns + 0.4), layout="constrained")
    for axes, (name, distorted) in zip(figure.subplots(len(rows), num_columns), rows.items(), strict=True):
        draw_image(axes[0], image, "as written")
        axes[0].set_ylabel(name, fontsize=8.5)
        for place, one in zip(axes[1:], distorted, strict=True):
            draw_image(place, (255 * one).astype(np.uint8))
    return figure


def draw_search(values: Sequence[float | None], points: Sequence[dict[int, float]], pruned: Sequence[bool]) -> Figure:
    """Draw the history of a search, and how each trial got there.

    Args:
        values: The error in percent a trial; None if it was stopped early.
        points: By trial, the held-out error in percent at each point.
        pruned: Whether each was stopped early.
    """
    figure = Figure((WIDTH, 3.2), layout="constrained")
    history_axes, point_axes = figure.subplots(1, 2)
    done = [(number, value) for number, value in enumerate(values) if value is not None]
    history_axes.plot(*zip(*done, strict=True), "o", color=BLUE, label="finished")
    last = [(number, list(some.values())[-1]) for number, some in enumerate(points) if pruned[number] and some]
    if last:
        history_axes.plot(*zip(*last, strict=True), "x", color=ORANGE, label="stopped early, error then")
    numbers, errors = zip(*done, strict=True)
    history_axes.step(numbers, np.minimum.accumulate(errors), where="post", color=GREEN, label="best so far")
    for some, is_pruned in zip(points, pruned, strict=True):
        point_axes.plot(
            [point + 1 for point in some],
            list(some.values()),
            "x--" if is_pruned else "-",
            color=ORANGE if is_pruned else BLUE,
            alpha=0.6,
        )
    for axes in (history_axes, point_axes):
        _scale_logarithmically(axes)
        axes.xaxis.get_major_locator().set_params(integer=True)
    history_axes.legend(frameon=False, fontsize=8)
    tidy(history_axes, "History", "Trial", "Held-out error (%)")
    tidy(point_axes, "On the way; dashed: stopped early", "Point of the training", "Held-out error (%)")
    return figure


def draw_parallel(settings: Sequence[dict[str, float]], values: Sequence[float], logarithmic: str) -> Figure:
    """Draw finished trials as lines over their settings, the better the darker.

    Args:
        settings: By name, a trial each.
        values: The error in percent, a trial each.
        logarithmic: The setting whose axis is one.
    """
    names = [*settings[0], "error (%)"]
    table = np.array([[*one.values(), value] for one, value in zip(settings, values, strict=True)])
    lowest, highest = table.min(axis=0), table.max(axis=0)
    is_log = [name in (logarithmic, names[-1]) for name in names]
    scaled = np.where(is_log, np.log(np.where(is_log, table, 1)), table)
    span = np.ptp(scaled, axis=0)
    scaled = (scaled - scaled.min(axis=0)) / np.where(span > 0, span, 1)
    figure = Figure((WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    for line in sorted(scaled, key=lambda one: -one[-1]):
        axes.plot(line, color=colormaps["cividis"](line[-1]), linewidth=1 + 2 * (1 - line[-1]), alpha=0.85)
    for place, name in enumerate(names):
        axes.axvline(place, color="#bbbbbb", linewidth=0.8, zorder=0)
        for height, value in ((-0.07, lowest[place]), (1.04, highest[place])):
            axes.text(place, height, f"{value:.3g}", ha="center", fontsize=8, color=GREY)
        axes.text(place, -0.17, name.replace("_", " "), ha="center", fontsize=9)
    axes.set(
        ylim=(-0.2, 1.12), xticks=[], yticks=[], xlabel="Setting (lowest below, highest above; the last is the result)"
    )
    axes.set_ylabel("From lowest to highest")
    axes.set_title("Parallel coordinates of the finished trials; dark and thick: few errors", fontsize=10.5, loc="left")
    axes.spines[:].set_visible(False)
    return figure


def draw_importance(importance: dict[str, float]) -> Figure:
    """Draw how much of the difference between trials each setting explains."""
    figure = Figure((WIDTH, 2.3), layout="constrained")
    axes = figure.subplots()
    names = sorted(importance, key=importance.__getitem__)
    bars = axes.barh([name.replace("_", " ") for name in names], [100 * importance[name] for name in names], color=BLUE)
    axes.bar_label(bars, fmt="%.0f %%", padding=3, fontsize=8)
    axes.margins(x=0.1)
    tidy(axes, "Importance (fANOVA)", "Share of the variance between trials (%)", "Setting", grid=False)
    return figure


def draw_trade_off(names: Sequence[str], multiply_adds: Sequence[float], errors: Sequence[float]) -> Figure:
    """Draw error against arithmetic, a point a network."""
    figure = Figure((WIDTH, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.scatter(multiply_adds, errors, color=[*[BLUE] * (len(names) - 1), ORANGE], s=45, zorder=3)
    for name, x, y in zip(names, multiply_adds, errors, strict=True):
        # To the left, where a network of about the same size has its label to the right.
        is_left = any(other > y and 0.7 < size / x < 1.4 for size, other in zip(multiply_adds, errors, strict=True))
        place, side = ((-7, -4), "right") if is_left else ((7, 4), "left")
        axes.annotate(name, (x, y), xytext=place, textcoords="offset points", ha=side, fontsize=8.5)
    axes.set_xscale("log")
    _scale_logarithmically(axes)
    axes.margins(x=0.18, y=0.18)
    tidy(axes, "Error on the test digits and arithmetic", "Multiply-adds a digit", "Test error (%)")
    return figure


def draw_calibration(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Figure:
    """Draw how often the network is right at each confidence, and how its confidences spread."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    figure = Figure((WIDTH, 3.4), layout="constrained")
    curve_axes, count_axes = figure.subplots(1, 2)
    share_right, mean_confidence = calibration_curve(right, np.clip(confidence, 0, 1), n_bins=10)
    curve_axes.plot([0, 100], [0, 100], ":", color=GREY, label="as sure as right")
    curve_axes.plot(100 * mean_confidence, 100 * share_right, "s-", color=BLUE, label="network, bins of 10 %")
    curve_axes.legend(frameon=False, fontsize=8)
    tidy(curve_axes, "Calibration", "Mean confidence (%)", "Read right (%)")
    edges = np.linspace(0, 100, 21)
    for chosen, name, colour, hatch in ((right, "read right", BLUE, ""), (~right, "misread", ORANGE, "///")):
        count_axes.hist(100 * confidence[chosen], edges, color=colour, alpha=0.6, hatch=hatch, label=name)
    count_axes.set_yscale("symlog", linthresh=1)
    count_axes.yaxis.set_major_formatter("{x:,.0f}")
    count_axes.legend(frameon=False, fontsize=8, loc="upper left")
    tidy(count_axes, "Confidence of each answer", "Confidence (%)", "Digits (logarithmic)")
    return figure


def draw_occlusion(shown: Sequence[tuple[NDArray[Any], NDArray[np.floating], str]], unit: str) -> Figure:
    """Draw digits above maps of what speaks for them (purple) and against them (orange).

    Args:
        shown: Image `(28, 28)`, 0-255, its map `(28, 28)`, and a title.
        unit: Of the maps.
    """
    figure = Figure((WIDTH, 2 * 0.9 * WIDTH / len(shown) + 0.45), layout="constrained")
    grid: Any = figure.subplots(2, len(shown))
    limit = max(float(np.abs(one).max()) for _, one, _ in shown)
    for (above, below), (image, lost, title) in zip(grid.T, shown, strict=True):
        draw_image(above, image, title)
        drawn = below.imshow(lost, cmap="PuOr", norm=SymLogNorm(limit / 4, vmin=-limit, vmax=limit))
        below.contour(image, levels=[128], colors="black", linewidths=0.7)
        below.set(xticks=[], yticks=[])
    figure.colorbar(drawn, ax=list(grid[1]), label=unit, ticks=(-limit, 0, limit), format="{x:.2g}")
    return figure


def draw_titled(images: Sequence[NDArray[np.uint8]], titles: Sequence[str], num_columns: int = 9) -> Figure:
    """Draw digits in rows, each under its title."""
    num_rows = max(-(-len(images) // num_columns), 1)
    figure = Figure((WIDTH, 1.36 * num_rows + 0.1), layout="constrained")
    grid = np.ravel(figure.subplots(num_rows, num_columns))
    for axes in grid:
        axes.axis("off")
    for axes, image, title in zip(grid, images, titles, strict=False):
        axes.axis("on")
        draw_image(axes, image, title, 7.5)
    return figure
