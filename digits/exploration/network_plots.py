"""Draw networks and the search for one, for the notebook."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState
from sklearn.calibration import calibration_curve

from digits.exploration.digit_plots import WIDTH, make_panels
from digits.exploration.short_training import Curve
from digits.training.palette import BLUE, GREEN, GREY, ORANGE
from digits.training.reports import draw_image, tidy


def _scale_logarithmically(axes: Axes) -> None:
    """Make the upward axis logarithmic, with plain numbers at its ticks."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7), numticks=30))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def draw_curve(curve: Curve, name: str) -> Figure:
    """Draw loss and error on distorted training digits and on held-out digits, against the number of digits seen."""
    figure, panels = make_panels(2, 2.9)
    measures = (
        ("Cross-entropy (nats)", curve.loss, curve.held_out_loss),
        ("Error (%)", 100 * np.array(curve.error), 100 * np.array(curve.held_out_error)),
    )
    for axes, (title, training, held_out) in zip(panels, measures, strict=True):
        seen = np.array(curve.digits_seen) / 1000
        axes.plot(seen, training, "o--", color=ORANGE, markersize=4, label="training, since the last point")
        axes.plot(seen, held_out, "s-", color=BLUE, markersize=4, label="held out")
        _scale_logarithmically(axes)
        tidy(axes, f"{name}: {title.partition(' (')[0].lower()}", "Training digits seen (thousands)", title)
    return figure


def draw_losses(curves: dict[str, Curve]) -> Figure:
    """Draw the cross-entropy of several trainings on held-out digits in one panel."""
    figure, (axes,) = make_panels(1, 2.9)
    for (name, curve), colour, style in zip(curves.items(), (BLUE, ORANGE, GREEN), ("s-", "o--", "^:"), strict=False):
        axes.plot(np.array(curve.digits_seen) / 1000, curve.held_out_loss, style, color=colour, label=name)
    _scale_logarithmically(axes)
    tidy(axes, "A linear model on held-out digits", "Training digits seen (thousands)", "Cross-entropy (nats)")
    return figure


def draw_search(trials: Sequence[FrozenTrial]) -> Figure:
    """Draw the errors of a search's trials in percent: at their end, and at each point of their trainings."""
    figure, (history_axes, point_axes) = make_panels(2, 3.2)
    for state, marker, line, colour, label in (
        (TrialState.COMPLETE, "o", "-", BLUE, "finished"),
        (TrialState.PRUNED, "x", "x--", ORANGE, "stopped early, error then"),
    ):
        chosen = [trial for trial in trials if trial.state == state]
        # The value of a trial that was stopped early is its error at that time.
        numbers, errors = [trial.number for trial in chosen], np.array([trial.value for trial in chosen], float)
        history_axes.plot(numbers, errors, marker, color=colour, label=label)
        if state == TrialState.COMPLETE:
            best = np.minimum.accumulate(errors)
            history_axes.step(numbers, best, where="post", color=GREEN, label="best so far")
        for trial in chosen:
            points = trial.intermediate_values
            point_axes.plot([point + 1 for point in points], list(points.values()), line, color=colour, alpha=0.6)
    for axes in (history_axes, point_axes):
        _scale_logarithmically(axes)
        axes.xaxis.get_major_locator().set_params(integer=True)
    tidy(history_axes, "History", "Trial", "Held-out error (%)")
    tidy(point_axes, "On the way; dashed: stopped early", "Point of the training", "Held-out error (%)")
    return figure


def draw_parallel(trials: Sequence[FrozenTrial], logarithmic: str) -> Figure:
    """Draw finished trials as lines over their settings and their error in percent; the better ones are darker.

    Args:
        trials: The finished trials.
        logarithmic: The setting whose axis is logarithmic.
    """
    names = [*trials[0].params, "error"]
    table = np.array([[*trial.params.values(), trial.value] for trial in trials])
    labels = [
        f"{name.replace('_', ' ')}\n{lowest:.3g} to {highest:.3g}"
        for name, lowest, highest in zip(names, table.min(axis=0), table.max(axis=0), strict=True)
    ]
    for place in (names.index(logarithmic), -1):
        table[:, place] = np.log(table[:, place])
    heights = (table - table.min(axis=0)) / np.maximum(np.ptp(table, axis=0), 1e-9)
    figure, (axes,) = make_panels(1, 3.4)
    for line in heights[heights[:, -1].argsort()[::-1]]:
        axes.plot(line, color=colormaps["cividis"](line[-1]), linewidth=1 + 2 * (1 - line[-1]), alpha=0.85)
    axes.set_xticks(range(len(names)), labels)
    axes.set_yticks([])
    title = "Parallel coordinates of the finished trials; dark and thick: few errors"
    tidy(axes, title, "Setting, and at last the error (%)", "From lowest to highest")
    return figure


def draw_importance(importance: dict[str, float]) -> Figure:
    """Draw the share of the variance between trials that each setting explains."""
    figure, (axes,) = make_panels(1, 2.3)
    names = sorted(importance, key=importance.__getitem__)
    bars = axes.barh([name.replace("_", " ") for name in names], [100 * importance[name] for name in names], color=BLUE)
    axes.bar_label(bars, fmt="%.0f %%", padding=3, fontsize=8)
    axes.margins(x=0.1)
    tidy(axes, "Importance (fANOVA)", "Share of the variance between trials (%)", "Setting", grid=False)
    return figure


def draw_trade_off(names: Sequence[str], multiply_adds: Sequence[float], errors: Sequence[float]) -> Figure:
    """Draw error against arithmetic, a point for each network; the last one is coloured."""
    figure, (axes,) = make_panels(1, 3.6)
    axes.scatter(multiply_adds, errors, color=[*[BLUE] * (len(names) - 1), ORANGE], s=45, zorder=3)
    for name, x, y in zip(names, multiply_adds, errors, strict=True):
        # The label stands on the left if a network of about the same size has its label on the right.
        is_left = any(other > y and 0.7 < size / x < 1.4 for size, other in zip(multiply_adds, errors, strict=True))
        place, side = ((-7, -4), "right") if is_left else ((7, 4), "left")
        axes.annotate(name, (x, y), xytext=place, textcoords="offset points", ha=side, fontsize=8.5)
    axes.set_xscale("log")
    _scale_logarithmically(axes)
    axes.margins(x=0.18, y=0.18)
    tidy(axes, "Error on the test digits and arithmetic", "Multiply-adds a digit", "Test error (%)")
    return figure


def draw_calibration(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Figure:
    """Draw the share of digits read right at each confidence, and histograms of the confidence."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    figure, (curve_axes, count_axes) = make_panels(2, 3.4)
    share_right, mean_confidence = calibration_curve(right, np.clip(confidence, 0, 1), n_bins=10)
    curve_axes.plot([0, 100], [0, 100], ":", color=GREY, label="as sure as right")
    curve_axes.plot(100 * mean_confidence, 100 * share_right, "s-", color=BLUE, label="network, bins of 10 %")
    tidy(curve_axes, "Calibration", "Mean confidence (%)", "Read right (%)")
    edges = np.linspace(0, 100, 21)
    for chosen, name, colour, hatch in ((right, "read right", BLUE, ""), (~right, "misread", ORANGE, "///")):
        count_axes.hist(100 * confidence[chosen], edges, color=colour, alpha=0.6, hatch=hatch, label=name)
    count_axes.set_yscale("symlog", linthresh=1)
    count_axes.yaxis.set_major_formatter("{x:,.0f}")
    tidy(count_axes, "Confidence of each answer", "Confidence (%)", "Digits (logarithmic)")
    return figure


def draw_occlusion(shown: Sequence[tuple[NDArray[Any], NDArray[np.floating], str]], unit: str) -> Figure:
    """Draw digits above maps of what speaks for them (purple) and against them (orange).

    Args:
        shown: Each an image `(28, 28)`, 0-255, its map `(28, 28)`, and a title.
        unit: The unit of the maps.
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
