"""Ink -> the pieces that digits are put together from, left to right.

What is connected is a piece; what is wide is cut where two digits might touch. Rulings and specks are left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from digits.components import Labels, Mask, label_components, measure_components
from digits.cuts import find_cuts
from digits.images import MAX_PIXEL
from digits.ink import Ink
from digits.line_ink import MAX_RULING, SLOPES, WIDE, measure_stroke

MAX_PIECES = 60

_MAX_COMPONENTS = 40
_STROKE_INK = 0.3  # Below a half: what is faint joins what is dark.
_SPECK = 0.0025  # Of the line's height squared: a dot of a twentieth of the height, both ways.
_CUT_WIDTH = 0.35  # Of the line's height: what is narrower holds one digit.
_CUT_SPACING = 0.14
_MAX_CUT = 5.0  # Strokes that a cut may cross, or as much where two digits lie along each other.
_RULING_SHARE = 0.6  # Of the drawing's width.
_FLAT = 0.15  # Of the line's height: what is no higher, and above or below the line, is a ruling's rest.
_TALL = 0.5


@dataclass(frozen=True)
class Pieces:
    """Pieces of ink, left to right.

    Attributes:
        labels: int32 `(height, width)`, 0 is paper and 1 to n the pieces.
        boxes: int `(n, 4)`: left, top, and right and bottom, which lie outside.
        areas: int `(n,)`, pixels.
        cuts: int `(m, 2)`, two pieces that were one.
        cut_costs: float `(m,)`, how many strokes the cut between them crosses.
        line_height: Of the digits in this line, in pixels.
    """

    labels: Labels
    boxes: NDArray[np.intp]
    areas: NDArray[np.intp]
    cuts: NDArray[np.intp]
    cut_costs: NDArray[np.float64]
    line_height: float


def find_pieces(ink: Ink) -> Pieces:
    """Find what digits could be put together from.

    Args:
        ink: float32 `(height, width)` in [0, 1].
    """
    mask = remove_rulings(find_strokes(ink))
    labels, count = label_components(mask)
    boxes, areas = measure_components(labels, count)
    line_height = _measure_line(boxes, areas)
    areas = np.where(_find_strays(boxes, line_height), 0, areas)
    largest = np.argsort(-areas, kind="stable")[:_MAX_COMPONENTS]
    stroke = measure_stroke(mask)
    parts = [
        part
        for component in largest[areas[largest] >= _SPECK * line_height**2].tolist()
        for part in _part(labels, component + 1, boxes[component], line_height, stroke)
    ]
    return _number_pieces(parts, mask.shape, line_height)


def find_strokes(ink: Ink) -> Mask:
    """Tell strokes from the paper's pattern, which is fainter.

    Args:
        ink: float32 `(height, width)` in [0, 1].
    """
    smooth = np.asarray(Image.fromarray((ink * MAX_PIXEL).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7)))
    return smooth > _STROKE_INK * MAX_PIXEL


def remove_rulings(mask: Mask) -> Mask:
    """Take away straight lines across most of the drawing; strokes that cross them stay.

    Args:
        mask: bool `(height, width)`.
    """
    height, width = mask.shape
    if width < WIDE * height or not mask.any():
        return mask
    rows, columns = np.nonzero(mask)
    best, slope_of_best = 0, 0.0
    for slope in SLOPES.tolist():
        shifted = np.rint(rows - slope * (columns - width / 2)).astype(np.intp).clip(0, height - 1)
        most = int(np.bincount(shifted, minlength=height).max())
        if most > best:
            best, slope_of_best = most, slope
    if best < _RULING_SHARE * width:
        return mask
    shifted = np.rint(rows - slope_of_best * (columns - width / 2)).astype(np.intp).clip(0, height - 1)
    counts = np.bincount(shifted, minlength=height)
    lines = np.flatnonzero(counts >= _RULING_SHARE * width)
    thickness = max(2, round(MAX_RULING * height))
    near = (np.abs(shifted[:, None] - lines) <= 2).any(axis=1)
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


def _measure_line(boxes: NDArray[np.intp], areas: NDArray[np.intp]) -> float:
    """Return the height of the digits: pieces above each other count as one, and ink has the votes."""
    if not len(boxes):
        return 1.0
    largest = np.argsort(-areas, kind="stable")[:_MAX_COMPONENTS]
    order = largest[np.argsort(boxes[largest, 0], kind="stable")]
    groups: list[list[int]] = []
    for (left, top, right, bottom), area in zip(boxes[order].tolist(), areas[order].tolist(), strict=True):
        if groups and left < groups[-1][2]:
            group = groups[-1]
            groups[-1] = [group[0], min(top, group[1]), max(right, group[2]), max(bottom, group[3]), group[4] + area]
        else:
            groups.append([left, top, right, bottom, area])
    found = sorted((bottom - top, area) for _, top, _, bottom, area in groups)
    votes = np.cumsum([area for _, area in found])
    return float(found[int(np.searchsorted(votes, votes[-1] / 2))][0])


def _find_strays(boxes: NDArray[np.intp], line_height: float) -> Mask:
    """Find what is flat and lies above or below the line, as what is left of a ruling or a frame does; bool `(n,)`."""
    heights = boxes[:, 3] - boxes[:, 1]
    tall = heights >= _TALL * line_height
    if not tall.any():
        return np.zeros(len(boxes), bool)
    top, bottom = np.median(boxes[tall, 1]), np.median(boxes[tall, 3])
    middles = (boxes[:, 1] + boxes[:, 3]) / 2
    is_flat = (heights <= _FLAT * line_height) & (boxes[:, 2] - boxes[:, 0] > 2 * heights)
    strays: Mask = is_flat & ((middles < top) | (middles > bottom))
    return strays


Part = tuple[NDArray[np.intp], NDArray[np.intp], float, int]


def _part(labels: Labels, number: int, box: NDArray[np.intp], line_height: float, stroke: float) -> list[Part]:
    """Cut one component; returns rows, columns, strokes crossed to the next part and the component of each part."""
    left, top, right, bottom = box.tolist()
    alone = labels[top:bottom, left:right] == number
    rows, columns = np.nonzero(alone)
    if right - left <= _CUT_WIDTH * line_height:
        return [(rows + top, columns + left, 0.0, number)]
    # A tall slanting one is not to be cut into more pieces than a candidate may have.
    spacing = max(2, round(_CUT_SPACING * max(line_height, bottom - top)))
    paths, costs = find_cuts(alone, spacing, _MAX_CUT * stroke + 1)
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
    cuts, cut_costs = [], []
    last: dict[int, tuple[int, float]] = {}
    for index, (_, _, cost, component) in enumerate(parts):
        if component in last:
            cuts.append((last[component][0], index))
            cut_costs.append(last[component][1])
        last[component] = index, cost
    return Pieces(
        labels, boxes, areas, np.array(cuts, np.intp).reshape(-1, 2), np.array(cut_costs, np.float64), line_height
    )
