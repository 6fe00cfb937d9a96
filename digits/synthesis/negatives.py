"""Images that are no digits, made up from a seed: what the rejector learns to reject.

Some are cut, turned and mixed from training digits; all others are computed, and none was drawn by hand or scanned.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from digits.data.images import MAX_PIXEL, NUM_CLASSES, SIZE
from digits.synthesis.glyphs import NUM_POINTS, list_glyphs, trace
from digits.synthesis.pen import BOX, bend, centre_ink, draw_strokes
from digits.synthesis.textures import draw_silhouettes, draw_textures

Images = NDArray[np.uint8]
Ink = NDArray[np.float32]

_MARGIN = (SIZE - BOX) // 2
THINNEST_PIXELS, THICKEST_PIXELS = 1.4, 4.4
"""Widths of a pen that writes glyphs."""
# Each way to turn an image, and the digits that do not look like digits afterwards.
_TURNS: tuple[tuple[Callable[[Images], Images], tuple[int, ...]], ...] = (
    (lambda images: np.rot90(images, 1, (1, 2)), (2, 3, 4, 5, 8)),
    (lambda images: np.rot90(images, 3, (1, 2)), (2, 3, 4, 5, 8)),
    (lambda images: np.rot90(images, 2, (1, 2)), (3, 4, 7)),
    (lambda images: images[:, :, ::-1], (3, 4, 6, 7, 9)),
    (lambda images: images[:, ::-1], (4, 6, 7, 9)),
)


def make_negatives(
    num: int, digits: Images, labels: NDArray[np.int64], seed: int, kinds: tuple[str, ...] = ()
) -> Images:
    """Make images that are no digits.

    Args:
        num: The number of images.
        digits: uint8 `(m, 28, 28)`, from which some are made.
        labels: int64 `(m,)`, their labels.
        seed: The same seed gives the same images.
        kinds: Names from `KINDS`; all of them if none is given.

    Returns:
        uint8 `(num, 28, 28)`, in MNIST's form, one kind after the other.
    """
    chosen = kinds or tuple(KINDS)
    shares = [KINDS[kind][0] for kind in chosen]
    ends = np.rint(np.cumsum(shares) / sum(shares) * num).astype(int)
    images = []
    for kind, count in zip(chosen, np.diff(ends, prepend=0).tolist(), strict=True):
        # Each kind has its own generator, so that a change to one kind leaves the others as they are.
        random = np.random.default_rng([seed, *kind.encode()])
        images.append(KINDS[kind][1](count, random, digits, labels))
    return np.concatenate(images)


def draw_any_digits(num: int, random: np.random.Generator, kind: str = "digits") -> tuple[Images, NDArray[np.int64]]:
    """Draw digits from skeletons, with the same pens as the letters.

    Args:
        num: The number of digits.
        random: The generator.
        kind: `digits`, `hasty digits` or `regional digits`.

    Returns:
        uint8 `(num, 28, 28)`, and their labels, int64 `(num,)`.
    """
    labels = random.integers(NUM_CLASSES, size=num)
    return draw_glyphs(kind, [str(label) for label in labels], random), labels


def draw_any_glyphs(kind: str, num: int, random: np.random.Generator) -> Images:
    """Write glyphs of a kind, chosen at random; returns uint8 `(num, 28, 28)`."""
    names = list(list_glyphs(kind))
    return draw_glyphs(kind, [names[index] for index in random.integers(len(names), size=num)], random)


def draw_glyphs(kind: str, names: list[str], random: np.random.Generator) -> Images:
    """Write glyphs, each in its own handwriting.

    Args:
        kind: A kind of `glyphs.list_glyphs`.
        names: The names of the glyphs.
        random: The generator of forms, handwritings and pens.

    Returns:
        uint8 `(n, 28, 28)`.
    """
    traced = []
    for name in names:
        forms = list_glyphs(kind)[name]
        traced.append(trace(forms[random.integers(len(forms))], bool(random.random() < 0.3)))
    points = np.array([points for points, _ in traced], np.float32).reshape(-1, NUM_POINTS, 2)
    is_down = np.array([is_down for _, is_down in traced], bool).reshape(-1, NUM_POINTS - 1)
    widths = random.uniform(THINNEST_PIXELS, THICKEST_PIXELS, len(names))
    return draw_strokes(bend(points, random), is_down, widths)


def _scribble(num: int, random: np.random.Generator) -> Images:
    """Let a pen wander in loops or from corner to corner, longer than a digit takes; half of them lift the pen."""
    steps = np.arange(NUM_POINTS)[None, :, None] / NUM_POINTS
    loops = random.normal(0, 3, (num, 1, 2)) * steps
    for speed in range(1, 7):
        height, phase = random.normal(0, speed**-0.5, (num, 1, 2)), random.uniform(0, 2 * np.pi, (num, 1, 2))
        loops += height * np.sin(2 * np.pi * speed * steps + phase)
    corners, where = random.normal(0, 1, (num, 9, 2)), np.linspace(0, 7.999, NUM_POINTS)
    before, share = where.astype(int), (where % 1)[None, :, None]
    zigzags = corners[:, before] * (1 - share) + corners[:, before + 1] * share
    points = np.where(random.random((num, 1, 1)) < 0.3, zigzags, loops) / 4
    is_down = random.random((num, NUM_POINTS - 1)) >= random.choice([0.0, 0.06], (num, 1))
    return draw_strokes(bend(points.astype(np.float32), random), is_down, random.uniform(1.2, 3.6, num))


def _put_together(num: int, random: np.random.Generator, digits: Images, labels: NDArray[np.int64]) -> Images:
    """Put two or three digits side by side; three in a quarter of the images."""
    ink = np.zeros((num, BOX, BOX), np.float32)
    for count, part in ((2, slice(0, 3 * num // 4)), (3, slice(3 * num // 4, num))):
        width = BOX // count
        for index in range(count):
            ink[part, :, index * width : (index + 1) * width] = _narrow(_choose(len(ink[part]), digits, random), width)
    return centre_ink(ink)


def _choose(num: int, digits: Images, random: np.random.Generator) -> Ink:
    """Choose digits at random; returns float32 `(num, 20, 20)` in [0, 1]."""
    return _read_box(digits[random.integers(len(digits), size=num)])


def _read_box(images: Images) -> Ink:
    """Return the middle of each image, float32 `(n, 20, 20)` in [0, 1]."""
    # The shipped rejector was trained on pixels that were multiplied by 1/255, which rounds 126 of the 256 levels to
    # other numbers than `scale_pixels` does. When it is next trained, `scale_pixels` can take the place of this.
    return images[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN].astype(np.float32) * np.float32(1 / MAX_PIXEL)


def _narrow(ink: Ink, width: int) -> Ink:
    """Resample `(n, 20, 20)` to `(n, 20, width)`, each new column the mean of what it covers."""
    edges = np.linspace(0, ink.shape[2], width + 1)
    columns = np.arange(ink.shape[2])
    cover = np.clip(np.minimum(edges[1:, None], columns + 1) - np.maximum(edges[:-1, None], columns), 0, 1)
    narrowed: Ink = np.einsum("nyx,wx->nyw", ink, (cover / cover.sum(axis=1, keepdims=True)).astype(np.float32))
    return narrowed


def _shuffle(num: int, random: np.random.Generator, digits: Images, labels: NDArray[np.int64]) -> Images:
    """Put quarters of two digits together in another order."""
    ink = np.zeros((num, BOX, BOX), np.float32)
    sources = np.stack([_choose(num, digits, random), _choose(num, digits, random)])
    half = BOX // 2
    quarters = [(slice(row, row + half), slice(column, column + half)) for row in (0, half) for column in (0, half)]
    orders = random.permuted(np.tile(np.arange(4), (num, 1)), axis=1)
    # A quarter that stays in its place comes from the second digit, so that no digit stays whole.
    is_other = (orders == np.arange(4)) & (np.arange(4) % 2 == 0)
    for place, target in enumerate(quarters):
        for quarter, source in enumerate(quarters):
            moved = np.flatnonzero(orders[:, place] == quarter)
            ink[(moved, *target)] = sources[(is_other[moved, place].astype(int), moved, *source)]
    return centre_ink(ink)


def _turn(num: int, random: np.random.Generator, digits: Images, labels: NDArray[np.int64]) -> Images:
    """Turn digits by 90 or 180 degrees, or mirror them."""
    images = np.zeros((num, SIZE, SIZE), np.uint8)
    drawn = random.integers(len(_TURNS), size=num)
    for index, (turn, turnable) in enumerate(_TURNS):
        where, candidates = np.flatnonzero(drawn == index), np.flatnonzero(np.isin(labels, turnable))
        if len(candidates):
            images[where] = turn(digits[random.choice(candidates, len(where))])
    return images


def _lay_over(num: int, random: np.random.Generator, digits: Images, labels: NDArray[np.int64]) -> Images:
    """Lay another digit over a digit, or cross it out."""
    scribbles = _read_box(_scribble(num - num // 2, random))
    # Ones and zeros are left out, because together they make slashed zeros and other digits.
    bulky = digits[labels > 1] if (labels > 1).any() else digits
    shifted = np.pad(_choose(num // 2, bulky, random), ((0, 0), (0, 0), (5, 0)))[:, :, :BOX]
    return centre_ink(np.maximum(_choose(num, bulky, random), np.concatenate([shifted, scribbles])))


KINDS: dict[str, tuple[float, Callable[[int, np.random.Generator, Images, NDArray[np.int64]], Images]]] = {
    "letters": (0.36, lambda num, random, *_: draw_any_glyphs("letters", num, random)),
    "symbols": (0.18, lambda num, random, *_: draw_any_glyphs("symbols", num, random)),
    "scribbles": (0.1, lambda num, random, *_: _scribble(num, random)),
    "several": (0.05, _put_together),
    "shuffled": (0.06, _shuffle),
    "turned": (0.07, _turn),
    "overlaid": (0.03, _lay_over),
    "silhouettes": (0.1, lambda num, random, *_: draw_silhouettes(num, random)),
    "textures": (0.05, lambda num, random, *_: draw_textures(num, random)),
}
"""The share of each kind among all negatives, and the function that makes it."""
