"""Ink -> the pieces that digits are put together from, left to right.

What is connected is a piece; what is wide is cut where two digits might touch. Rulings and specks are left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from digits.components import Labels, Mask, label_components, measure_components
from digits.cuts import find_cuts
from digits.normalisation import Ink

MAX_PIECES = 60

_THRESHOLD = 0.4
_PEAK = 0.6  # What has no darker pixel than this is the paper's pattern.
_MAX_COMPONENTS = 40
_SPECK = 0.0025  # Of the line's height squared: a dot of a twentieth of the height, both ways.
_CUT_WIDTH = 0.35  # Of the line's height: what is narrower holds one digit.
_CUT_SPACING = 0.14
_MAX_CUT = 2.6  # Strokes that a cut may cross: three would part an 8 through its middle.
_RULING_SHARE = 0.6  # Of the drawing's width.


@dataclass(frozen=True)
class Pieces:
    """Pieces of ink, left to right.

    Attributes:
        labels: int32 `(height, width)`, 0 is paper and 1 to n the pieces.
        boxes: int `(n, 4)`: left, top, and right and bottom, which lie outside.
        areas: int `(n,)`, pixels.
        cuts: float `(n,)`, strokes crossed by the cut between a piece and the next one of the same component; 0 if
            there is none.
        components: int `(n,)`, which component each piece is of.
        line_height: Of the digits in this line, in pixels.
    """

    labels: Labels
    boxes: NDArray[np.intp]
    areas: NDArray[np.intp]
    cuts: NDArray[np.float64]
    components: NDArray[np.intp]
    line_height: float


def find_pieces(ink: Ink) -> Pieces:
    """Find what digits could be put together from.

    Args:
        ink: float32 `(height, width)` in [0, 1].
    """
    smooth = np.asarray(Image.fromarray((ink * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))) / 255
    mask = remove_rulings(smooth > _THRESHOLD)
    labels, count = label_components(mask)
    boxes, areas = measure_components(labels, count)
    peaks = np.zeros(count)
    np.maximum.at(peaks, labels[mask] - 1, smooth[mask])
    heights = boxes[:, 3] - boxes[:, 1]
    line_height = _measure_line(heights[peaks > _PEAK], areas[peaks > _PEAK])
    kept = (peaks > _PEAK) & (areas >= _SPECK * line_height**2)
    largest = np.argsort(-areas * kept, kind="stable")[:_MAX_COMPONENTS]
    stroke = _measure_stroke(mask)
    parts = [
        part
        for component in largest[kept[largest]].tolist()
        for part in _part(labels, component + 1, boxes[component], line_height, stroke)
    ]
    return _number_pieces(parts, mask.shape, line_height)


def remove_rulings(mask: Mask) -> Mask:
    """Take away straight lines across most of the drawing; strokes that cross them stay.

    Args:
        mask: bool `(height, width)`.
    """
    height, width = mask.shape
    if width < 1.2 * height or not mask.any():
        return mask
    rows, columns = np.nonzero(mask)
    best, slope_of_best = 0, 0.0
    for slope in np.linspace(-0.05, 0.05, 11):
        shifted = np.rint(rows - slope * (columns - width / 2)).astype(np.intp).clip(0, height - 1)
        most = int(np.bincount(shifted, minlength=height).max())
        if most > best:
            best, slope_of_best = most, float(slope)
    if best < _RULING_SHARE * width:
        return mask
    shifted = np.rint(rows - slope_of_best * (columns - width / 2)).astype(np.intp).clip(0, height - 1)
    counts = np.bincount(shifted, minlength=height)
    lines = np.flatnonzero(counts >= _RULING_SHARE * width)
    thickness = max(2, round(height * 0.05))
    near = (np.abs(shifted[:, None] - lines) <= 1).any(axis=1)
    runs = _measure_vertical_runs(mask)[rows, columns]
    cleaned = mask.copy()
    gone = near & (runs <= thickness)
    cleaned[rows[gone], columns[gone]] = False
    return cleaned


def _measure_vertical_runs(mask: Mask) -> NDArray[np.int32]:
    """Return for each pixel of ink how long the column of ink is that it stands in."""
    down, up = np.zeros(mask.shape, np.int32), np.zeros(mask.shape, np.int32)
    previous = np.zeros(mask.shape[1], np.int32)
    for row in range(len(mask)):
        previous = down[row] = (previous + 1) * mask[row]
    previous = np.zeros(mask.shape[1], np.int32)
    for row in range(len(mask) - 1, -1, -1):
        previous = up[row] = (previous + 1) * mask[row]
    return down + up - 1


def _measure_line(heights: NDArray[np.intp], areas: NDArray[np.intp]) -> float:
    """Return the height that half of the ink stands in pieces above."""
    if not len(heights):
        return 1.0
    order = np.argsort(heights)
    total = areas[order].cumsum()
    return float(heights[order][np.searchsorted(total, total[-1] / 2)])


def _measure_stroke(mask: Mask) -> float:
    """Return the width of the strokes: their area by half of their outline."""
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    outline = int((mask & ~inside).sum())
    return max(2 * float(mask.sum()) / max(outline, 1), 1.0)


Part = tuple[NDArray[np.intp], NDArray[np.intp], float, int]


def _part(labels: Labels, number: int, box: NDArray[np.intp], line_height: float, stroke: float) -> list[Part]:
    """Cut one component; returns rows, columns, strokes crossed to the next part and the component of each part."""
    left, top, right, bottom = box.tolist()
    alone = labels[top:bottom, left:right] == number
    rows, columns = np.nonzero(alone)
    if right - left <= _CUT_WIDTH * line_height:
        return [(rows + top, columns + left, 0.0, number)]
    paths, costs = find_cuts(alone, max(2, round(_CUT_SPACING * line_height)), _MAX_CUT * stroke + 1)
    sides = (columns >= paths[:, rows]).sum(axis=0)
    parts: list[Part] = []
    for side in range(len(paths) + 1):
        here = sides == side
        if here.any():
            cost = costs[side] / stroke if side < len(costs) else 0.0
            parts.append((rows[here] + top, columns[here] + left, cost, number))
    return parts


def _number_pieces(parts: list[Part], shape: tuple[int, int], line_height: float) -> Pieces:
    parts = sorted(parts, key=lambda part: -len(part[0]))[:MAX_PIECES]
    parts.sort(key=lambda part: float(part[1].mean()))
    labels = np.zeros(shape, np.int32)
    for index, (rows, columns, _, _) in enumerate(parts):
        labels[rows, columns] = index + 1
    boxes, areas = measure_components(labels, len(parts))
    return Pieces(
        labels,
        boxes,
        areas,
        np.array([part[2] for part in parts], np.float64),
        np.array([part[3] for part in parts], np.intp),
        line_height,
    )
