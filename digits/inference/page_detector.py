"""Find the digits of a page with the page network (`digits.networks.page_detector`).

The network looks at the page at three sizes, because it has learnt digits of 11 to 170 pixels. Each look sees some that
the other misses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.data.images import scale_pixels
from digits.inference.artifact import Artifact
from digits.inference.onnx_session import Predict, open_artifact
from digits.inference.precision import Precision, Served
from digits.preprocessing.page_map import CENTRE, CLASSES, INK, NUM_CHANNELS, SIZES, STRIDE, to_pixels

_COARSEST, _COARSE, _USUAL, _FINE = 192, 384, 768, 1536  # Pixels of the longer side.
SURE = 0.45
"""The least mean score of a line's digits; the grain of a floor has less."""
_SMALL = 18  # Where digits are lower in the usual look, a finer one follows; pixels.
_OVERLAP = 96  # Tiles of a fine look share so many pixels, in which every digit is whole in one of them.
_LARGE = 110  # Digits above this height, in pixels of a look, are seen better in a coarser one.
_MOST_ENLARGED = 6.0
_LEAST_SCORE = 0.3
_BLOCK = 32  # The network takes multiples of so many pixels.
_MOST_OVERLAP = 0.45  # Of two marks whose boxes share more than this of the smaller one, the surer is kept.
_MOST_DIGITS = 1_000


@dataclass(frozen=True)
class FoundDigits:
    """Where digits are.

    Attributes:
        middles: float64 `(n, 2)`, x and y in pixels of the drawing.
        sizes: float64 `(n, 2)`, width and height.
        scores: float64 `(n,)` in [0, 1].
        probabilities: float64 `(n, 10)`, of the labels.
    """

    middles: NDArray[np.float64]
    sizes: NDArray[np.float64]
    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, chosen: NDArray[np.intp]) -> "FoundDigits":
        """Return some of them."""
        return FoundDigits(self.middles[chosen], self.sizes[chosen], self.scores[chosen], self.probabilities[chosen])


@dataclass(frozen=True)
class PageDetector:
    """A loaded page network.

    Attributes:
        artifact: Where it came from.
        compute: float32 `(n, height, width, 1)` in [0, 1], height and width multiples of 32, to float32
            `(n, height / 4, width / 4, 17)`; unchecked.
        precision: Which of the file's graphs computes.
    """

    artifact: Artifact
    compute: Predict
    precision: Served = "fp32"

    def look(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the network tells of a picture as it is, float32 `(height / 4, width / 4, 17)`, rounded up."""
        height, width = picture.shape
        padded = np.pad(picture, ((0, -height % _BLOCK), (0, -width % _BLOCK)), "edge")
        seen: NDArray[np.float32] = self.compute(scale_pixels(padded[None, ..., None]))[0]
        return seen[: ceil(height / STRIDE), : ceil(width / STRIDE)]


def load_page_detector(path: Path, num_threads: int = 1, precision: Precision | None = None) -> PageDetector:
    """Load the .h5 that `digits.training.page_detector` writes; the arguments are those of `load_classifier`.

    Raises:
        ArtifactError: If the file cannot be used.
    """
    shapes = (None, None, 1), (None, None, NUM_CHANNELS)
    return PageDetector(*open_artifact(path, num_threads, *shapes, "make train_pages", precision, frees_memory=True))


def find_digits(drawing: NDArray[np.uint8], glance: FoundDigits, detector: PageDetector) -> FoundDigits:
    """Find the digits of a drawing, uint8 `(height, width)`, luminance, at which `glance` has looked."""
    found = _keep_surest([_find_at(drawing, _COARSEST, detector), glance, _find_at(drawing, _USUAL, detector)])
    longer = max(drawing.shape)
    sure = found.take(np.flatnonzero(found.scores >= SURE))
    is_small = not len(sure) or float(np.median(sure.sizes[:, 1])) * _USUAL / longer < _SMALL
    if is_small and longer > _USUAL:
        found = _keep_surest([found, _find_at(drawing, _FINE, detector)])
    return found


def glance(drawing: NDArray[np.uint8], detector: PageDetector) -> FoundDigits:
    """Look once at a drawing, uint8 `(height, width)`, luminance; the digits found may overlap."""
    return _find_at(drawing, _COARSE, detector)


def weigh_glance(seen: FoundDigits) -> float:
    """Return how much a drawing looks like a page of digits: the sum of their scores times their labels' certainty."""
    found = _keep_surest([seen])
    return float(found.scores @ found.probabilities.max(axis=1))


def resize(drawing: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Return a drawing at another size."""
    height, width = drawing.shape
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    way = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(drawing).resize(size, way, reducing_gap=2.0))


def measure_ink(seen: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share of ink, float32 `(2 * rows, 2 * columns)`, of what the network tells, `(rows, columns, 17)`."""
    rows, columns = seen.shape[:2]
    fine = seen[..., INK].reshape(rows, columns, 2, 2)
    return np.ascontiguousarray(fine.transpose(0, 2, 1, 3)).reshape(2 * rows, 2 * columns)


def find_marks(seen: NDArray[np.float32], least: float = _LEAST_SCORE) -> FoundDigits:
    """Return the middles that the network marks, in pixels of what it looked at."""
    mark = seen[..., CENTRE][..., 0]
    framed = np.pad(mark, 1)
    rows, columns = mark.shape
    around = np.stack([framed[y : y + rows, x : x + columns] for y in range(3) for x in range(3)])
    found = np.argwhere((mark >= least) & (mark >= around.max(axis=0)))
    found = found[np.argsort(-mark[tuple(found.T)])][:_MOST_DIGITS]
    near = around[:, found[:, 0], found[:, 1]].astype(np.float64)
    offsets = np.array([[x, y] for y in (-1, 0, 1) for x in (-1, 0, 1)])
    shift = near.T @ offsets / near.sum(axis=0)[:, None]
    there = seen[found[:, 0], found[:, 1]].astype(np.float64)
    middles = (found[:, ::-1] + 0.5 + shift) * STRIDE
    return FoundDigits(middles, to_pixels(there[:, SIZES]), there[:, CENTRE.start], there[:, CLASSES])


def _find_at(drawing: NDArray[np.uint8], side: int, detector: PageDetector) -> FoundDigits:
    """Look at a drawing whose longer side is reduced to so many pixels, or enlarged; a large one in tiles."""
    scale = min(side / max(drawing.shape), _MOST_ENLARGED)
    picture = resize(drawing, scale)
    height, width = picture.shape
    looks = []
    for top in range(0, max(height - _OVERLAP, 1), _USUAL):
        for left in range(0, max(width - _OVERLAP, 1), _USUAL):
            tile = picture[top : top + _USUAL + _OVERLAP, left : left + _USUAL + _OVERLAP]
            marks = find_marks(detector.look(tile))
            # What an inner edge of the tile cuts is whole in the next one.
            low, high = marks.middles - marks.sizes / 2, marks.middles + marks.sizes / 2
            is_first = np.array([left == 0, top == 0])
            is_last = np.array([left + tile.shape[1] == width, top + tile.shape[0] == height])
            is_whole = ((low >= 0) | is_first) & ((high <= tile.shape[::-1]) | is_last)
            whole = marks.take(np.flatnonzero(is_whole.all(axis=1)))
            looks.append(replace(whole, middles=np.add(whole.middles, (left, top))))
    marks = _concatenate(looks)
    # What looks too large at this size is seen better at the other.
    likely = np.clip(2 - marks.sizes[:, 1] / _LARGE, 0.3, 1)
    return FoundDigits(marks.middles / scale, marks.sizes / scale, marks.scores * likely, marks.probabilities)


def _concatenate(looks: Sequence[FoundDigits]) -> FoundDigits:
    names = [one.name for one in fields(FoundDigits)]
    return FoundDigits(*(np.concatenate([getattr(one, name) for one in looks]) for name in names))


def _keep_surest(looks: Sequence[FoundDigits]) -> FoundDigits:
    """Put looks together, and leave out what overlaps with a surer digit."""
    found = _concatenate(looks)
    order = np.argsort(-found.scores)
    low, high = found.middles - found.sizes / 2, found.middles + found.sizes / 2
    areas = found.sizes.prod(axis=1)
    kept: list[int] = []
    for one in order.tolist():
        if kept:
            shared = np.minimum(high[one], high[kept]) - np.maximum(low[one], low[kept])
            overlap = shared.clip(0).prod(axis=1) / np.minimum(areas[one], areas[kept])
            if overlap.max() > _MOST_OVERLAP:
                continue
        kept.append(one)
    return found.take(np.array(kept, np.intp))
