"""Skeletons of digits, letters and symbols as a pen writes them, to draw training examples from.

The skeletons are in `glyphs.json`: a kind, the names of its glyphs, and for each glyph the forms in which people write
it. A form is one or more strokes, divided by `/`. A stroke is a row of points `xy` on a 10x10 grid, x to the right and
y down, and a smooth curve passes through the points. `!` after a point marks a corner.

Letters that pass for digits when they are written alone, such as o, l, z and s, are left out.
"""

import json
from functools import cache
from importlib import resources
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

NUM_POINTS = 48
"""Points of a traced form."""
_STEPS = 12  # Points of the curve from one point of the skeleton to the next.


@cache
def _read_skeletons() -> dict[str, dict[str, list[str]]]:
    skeletons: dict[str, dict[str, list[str]]] = json.loads(
        resources.files(__package__).joinpath("glyphs.json").read_bytes()
    )
    return skeletons


def list_glyphs(kind: str) -> dict[str, list[str]]:
    """Return the forms of each glyph by its name.

    Args:
        kind: `digits`, `hasty digits` (by a quick pen), `regional digits` (as other countries teach them, and small
            heads), `letters` or `symbols`.
    """
    return _read_skeletons()[kind]


@cache
def trace(form: str, is_rounded: bool) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Turn a skeleton into evenly spaced points.

    Args:
        form: One form of a glyph.
        is_rounded: Whether the curve takes its corners smoothly, as a hurried hand does.

    Returns:
        float64 `(48, 2)`, x and y in about 0-1; bool `(47,)`, whether the pen is down between a point and the next.
    """
    strokes = [_draw_stroke(stroke, is_rounded) for stroke in form.split("/")]
    lengths = np.array([np.linalg.norm(np.diff(stroke, axis=0), axis=1).sum() for stroke in strokes])
    shares = np.maximum(2, np.floor(lengths / lengths.sum() * (NUM_POINTS - 2 * len(strokes))).astype(int) + 2)
    shares[lengths.argmax()] += NUM_POINTS - shares.sum()
    points = [_space_evenly(stroke, share) for stroke, share in zip(strokes, shares, strict=True)]
    is_down: NDArray[np.bool_] = np.ones(NUM_POINTS - 1, bool)
    is_down[shares.cumsum()[:-1] - 1] = False
    return np.concatenate(points) / 9, is_down


def _draw_stroke(stroke: str, is_rounded: bool) -> NDArray[np.float64]:
    marks = stroke.split()
    points = np.array([[int(mark[0]), int(mark[1])] for mark in marks], float)
    corners = [] if is_rounded else [index for index, mark in enumerate(marks[1:-1], 1) if mark.endswith("!")]
    ends = [0, *corners, len(points) - 1]
    return np.concatenate([_draw_curve(points[start : end + 1]) for start, end in pairwise(ends)])


def _draw_curve(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points of a Catmull-Rom curve through the given ones."""
    framed = np.concatenate([points[:1], points, points[-1:]])
    before, start, end, after = (framed[index : len(framed) - 3 + index, None] for index in range(4))
    t = np.linspace(0, 1, _STEPS)[None, :, None]
    slope, bend = (end - before) / 2, (after - start) / 2
    cubic, square = 2 * (start - end) + slope + bend, 3 * (end - start) - 2 * slope - bend
    curve: NDArray[np.float64] = start + slope * t + square * t**2 + cubic * t**3
    return curve.reshape(-1, 2)


def _space_evenly(stroke: NDArray[np.float64], num_points: int) -> NDArray[np.float64]:
    travelled = np.concatenate([[0], np.linalg.norm(np.diff(stroke, axis=0), axis=1).cumsum()])
    wanted = np.linspace(0, travelled[-1], num_points)
    return np.stack([np.interp(wanted, travelled, stroke[:, axis]) for axis in (0, 1)], 1)
