"""Write digits as hands do that MNIST has few of: by other skeletons, with other pens, narrower, with faint strokes.

`stroke_variants` adds single strokes to training digits; here the whole digit is another hand's.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.data.images import MAX_PIXEL, SIZE
from digits.preprocessing.digit_image import fit_ink
from digits.synthesis.centre_lines import find_centre_lines
from digits.synthesis.negatives import THICKEST_PIXELS, THINNEST_PIXELS, draw_any_digits
from digits.synthesis.pen import centre_ink, draw_dots, fit_points

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Points = NDArray[np.float64]  # (m, 2): x and y in pixels.

_IMAGES_AT_ONCE = 200
_NARROWEST, _WIDEST = 0.5, 0.85  # Of a digit's own width, which is fitted to MNIST's box again.
_MOST_GAPS = 2
_LEAST_FADED, _MOST_FADED = 0.6, 1.0  # How much of the ink is gone in the middle of a gap.
_SMALLEST_GAP, _LARGEST_GAP = 1.0, 2.5  # Pixels, the standard deviation of a gap. A larger one takes a loop away.
_NINE = 9
_SMALLEST_HEAD, _LARGEST_HEAD = 0.3, 0.45  # Of a nine's height; half of it before.
_NARROWEST_HEAD, _WIDEST_HEAD = 0.45, 0.85  # Of its width before.
_THICKEST_AT_HEAD = 3.2  # Pixels. With a thicker pen a small head is a blot, and the nine a one.
_INK = MAX_PIXEL // 2  # Pixels above this level belong to a stroke.
_FAINTEST = 0.02  # A share of full ink; what is fainter is paper.


@dataclass(frozen=True)
class OtherHands:
    """How many digits of each kind are added, as a share of the training digits."""

    drawn: float = 0.0
    """Drawn from skeletons of careful hands (`digits` of glyphs.json)."""
    hasty: float = 0.0
    """Drawn as a quick pen writes them (`hasty digits`)."""
    regional: float = 0.0
    """Drawn as other countries teach them (`regional digits`): ticked and narrow sevens, small heads, open fours."""
    rewritten: float = 0.0
    """Training digits whose centre lines a pen of one width writes anew, from thin to thick."""
    narrowed: float = 0.0
    """Training digits of half to 85 % of their width."""
    small_heads: float = 0.0
    """Nines of the training digits, written anew with a small head. A share above 0.1 repeats them."""
    faded: float = 0.0
    """Training digits with one or two gaps where the pen left little ink."""


def draw_other_hands(images: Images, labels: Labels, hands: OtherHands, seed: int) -> tuple[Images, Labels]:
    """Draw digits of other hands.

    Args:
        images: The training digits, uint8 `(n, 28, 28)`.
        labels: int64 `(n,)`.
        hands: The share of each kind.
        seed: The same seed gives the same digits.

    Returns:
        The drawn digits alone, without the training digits: uint8 `(m, 28, 28)` in MNIST's form, and their labels,
        int64 `(m,)`.
    """
    parts: list[tuple[Images, Labels]] = [(np.zeros((0, SIZE, SIZE), np.uint8), np.zeros(0, np.int64))]
    for kind in (field.name for field in fields(hands)):
        num = round(getattr(hands, kind) * len(images))
        if num:
            # Each kind has its own generator, so that a change to one kind leaves the others as they are.
            parts.append(_KINDS[kind](num, images, labels, np.random.default_rng([seed, *kind.encode()])))
    drawn, drawn_labels = zip(*parts, strict=True)
    return np.concatenate(drawn), np.concatenate(drawn_labels)


def _draw(kind: str) -> Callable[[int, Images, Labels, np.random.Generator], tuple[Images, Labels]]:
    return lambda num, images, labels, random: draw_any_digits(num, random, kind)


def _choose(num: int, images: Images, labels: Labels, random: np.random.Generator) -> tuple[Images, Labels]:
    """Choose digits, none of them twice before all were chosen; none where there are none."""
    chosen = np.resize(random.permutation(len(images)), num if len(images) else 0)
    return images[chosen], labels[chosen]


def _rewrite(num: int, images: Images, labels: Labels, random: np.random.Generator) -> tuple[Images, Labels]:
    chosen, chosen_labels = _choose(num, images, labels, random)
    return _write_anew(chosen, random, THICKEST_PIXELS), chosen_labels


def _shrink_heads(num: int, images: Images, labels: Labels, random: np.random.Generator) -> tuple[Images, Labels]:
    is_nine = labels == _NINE
    chosen, chosen_labels = _choose(num, images[is_nine], labels[is_nine], random)
    return _write_anew(chosen, random, _THICKEST_AT_HEAD, _shrink_head), chosen_labels


def _shrink_head(line: Points, random: np.random.Generator) -> Points:
    """Make the upper half of a line small, and draw it towards its right end, where the stem is."""
    x, y = line.T
    top, height = y.min(), max(float(np.ptp(y)), 1.0)
    middle, end = top + height / 2, top + height * random.uniform(_SMALLEST_HEAD, _LARGEST_HEAD)
    # The stem grows by as much as the head shrinks.
    lowered = np.interp(y, [top, middle, top + height], [top, end, top + height])
    stem = x[y <= middle].max()
    # Over the upper quarter of the stem the strokes come back to where they were.
    scale = np.interp(y, [middle, middle + height / 8], [random.uniform(_NARROWEST_HEAD, _WIDEST_HEAD), 1])
    return np.stack([stem + (x - stem) * scale, lowered], axis=1)


def _write_anew(
    images: Images,
    random: np.random.Generator,
    thickest: float,
    change: Callable[[Points, np.random.Generator], Points] | None = None,
) -> Images:
    """Write the centre lines of digits anew, with pens up to the thickest, in pixels.

    A digit without a centre line, which is a blot or empty, stays as it is.
    """
    rewritten = images.copy()
    radii = (random.uniform(THINNEST_PIXELS, thickest, len(images)) / 2).astype(np.float32)
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        # The middles of a line's segments lie less than a pixel apart.
        lines = [segments.mean(axis=1) for segments in find_centre_lines(images[start : start + _IMAGES_AT_ONCE])]
        where = start + np.flatnonzero([len(line) > 0 for line in lines])
        if len(where):
            lines = [change(line, random) if change else line for line in lines if len(line)]
            longest = max(map(len, lines))
            # A shorter line is filled with its last point, which changes nothing.
            points = np.stack([np.pad(line, ((0, longest - len(line)), (0, 0)), "edge") for line in lines])
            pens = radii[where, None, None]
            rewritten[where] = centre_ink(draw_dots(fit_points(points.astype(np.float32), pens), pens))
    return rewritten


def _narrow(num: int, images: Images, labels: Labels, random: np.random.Generator) -> tuple[Images, Labels]:
    chosen, chosen_labels = _choose(num, images, labels, random)
    widths = np.rint(SIZE * random.uniform(_NARROWEST, _WIDEST, num)).astype(int).tolist()
    return np.stack([_squeeze(image, width) for image, width in zip(chosen, widths, strict=True)]), chosen_labels


def _squeeze(image: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    squeezed = np.asarray(Image.fromarray(image).resize((width, SIZE), Image.Resampling.BILINEAR))
    return fit_ink((squeezed / MAX_PIXEL).astype(np.float32))


def _fade(num: int, images: Images, labels: Labels, random: np.random.Generator) -> tuple[Images, Labels]:
    chosen, chosen_labels = _choose(num, images, labels, random)
    return np.stack([_leave_gaps(image, random) for image in chosen]), chosen_labels


def _leave_gaps(image: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Fade the ink around some points of the strokes."""
    rows, columns = np.nonzero(image > _INK)
    if not len(rows):
        return image
    ink = image.astype(np.float32) / MAX_PIXEL
    down, across = np.mgrid[:SIZE, :SIZE]
    for place in random.integers(len(rows), size=random.integers(1, _MOST_GAPS + 1)):
        distance = (down - rows[place]) ** 2 + (across - columns[place]) ** 2
        gap = np.exp(-distance / (2 * random.uniform(_SMALLEST_GAP, _LARGEST_GAP) ** 2))
        ink = ink * (1 - random.uniform(_LEAST_FADED, _MOST_FADED) * gap)
    return fit_ink(np.where(ink > _FAINTEST, ink, 0).astype(np.float32))


_KINDS: dict[str, Callable[[int, Images, Labels, np.random.Generator], tuple[Images, Labels]]] = {
    "drawn": _draw("digits"),
    "hasty": _draw("hasty digits"),
    "regional": _draw("regional digits"),
    "rewritten": _rewrite,
    "narrowed": _narrow,
    "small_heads": _shrink_heads,
    "faded": _fade,
}
