"""Images that are no digits, made up from a seed: what the acceptance network learns to refuse.

Nothing in them was drawn by hand or scanned, apart from the training digits themselves: these are cut, turned and
mixed.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from digits.data.images import MAX_PIXEL, NUM_CLASSES, SIZE
from digits.synthesis.glyphs import NUM_POINTS, list_glyphs, trace
from digits.synthesis.pen import BOX, Strokes, bend, centre_ink, draw_strokes
from digits.synthesis.textures import draw_silhouettes, draw_textures

Images = NDArray[np.uint8]
Ink = NDArray[np.float32]

_MARGIN = (SIZE - BOX) // 2
_THINNEST, _THICKEST = 1.4, 4.4
# Each turn, and the digits that it does not turn into digits.
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
        num: How many.
        digits: uint8 `(m, 28, 28)`, from which some are made.
        labels: int64 `(m,)`, theirs.
        seed: The same seed gives the same images.
        kinds: The names of those in `SHARES` that are wanted; all if none is named.

    Returns:
        uint8 `(num, 28, 28)`, in MNIST's form, one kind after the other.
    """
    shares = {kind: share for kind, share in SHARES.items() if not kinds or kind in kinds}
    ends = np.rint(np.cumsum(list(shares.values())) / sum(shares.values()) * num).astype(int)
    images = []
    for kind, count in zip(shares, np.diff(ends, prepend=0).tolist(), strict=True):
        # Each kind has a generator of its own, so that a change to one leaves the others as they were.
        random = np.random.default_rng([seed, *kind.encode()])
        if kind in ("letters", "symbols"):
            images.append(draw_any_glyphs(kind, count, random))
        elif kind in _PURE:
            images.append(_PURE[kind](count, random))
        else:
            images.append(_FROM_DIGITS[kind](count, digits, labels, random))
    return np.concatenate(images)


def draw_any_digits(num: int, random: np.random.Generator, kind: str = "digits") -> tuple[Images, NDArray[np.int64]]:
    """Draw digits from skeletons, with the same pen as the letters.

    Args:
        num: How many.
        random: Draws them.
        kind: `digits`, or `hasty digits`.

    Returns:
        uint8 `(num, 28, 28)`, and their labels, int64 `(num,)`.
    """
    labels = random.integers(NUM_CLASSES, size=num)
    return draw_glyphs(kind, [str(label) for label in labels], random), labels


def draw_any_glyphs(kind: str, num: int, random: np.random.Generator) -> Images:
    """Write glyphs of a kind, drawn by lot."""
    names = list(list_glyphs(kind))
    return draw_glyphs(kind, [names[index] for index in random.integers(len(names), size=num)], random)


def draw_glyphs(kind: str, names: list[str], random: np.random.Generator) -> Images:
    """Write glyphs, each in a hand of its own.

    Args:
        kind: As `glyphs.list_glyphs` knows it.
        names: Of the glyphs.
        random: Draws forms, hands and pens.

    Returns:
        uint8 `(n, 28, 28)`.
    """
    traced = []
    for name in names:
        forms = list_glyphs(kind)[name]
        traced.append(trace(forms[random.integers(len(forms))], bool(random.random() < 0.3)))
    points = np.array([points for points, _ in traced], np.float32).reshape(-1, NUM_POINTS, 2)
    is_down = np.array([is_down for _, is_down in traced], bool).reshape(-1, NUM_POINTS - 1)
    widths = random.uniform(_THINNEST, _THICKEST, len(names))
    return draw_strokes(bend(Strokes(points, is_down), random), widths)


def _scribble(num: int, random: np.random.Generator) -> Images:
    """A pen that wanders in loops, or from corner to corner, too far for a digit; half of it in several strokes."""
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
    strokes = Strokes(points.astype(np.float32), is_down)
    return draw_strokes(bend(strokes, random), random.uniform(1.2, 3.6, num))


def _put_together(num: int, digits: Images, labels: NDArray[np.int64], random: np.random.Generator) -> Images:
    """Two or three digits beside each other, where one was expected."""
    ink = np.zeros((num, BOX, BOX), np.float32)
    for count, part in ((2, slice(0, 3 * num // 4)), (3, slice(3 * num // 4, num))):
        width = BOX // count
        for index in range(count):
            ink[part, :, index * width : (index + 1) * width] = _narrow(_pick(ink[part], digits, random), width)
    return centre_ink(ink)


def _pick(like: Ink, digits: Images, random: np.random.Generator) -> Ink:
    """Return as many digits, `(n, 20, 20)` in [0, 1]."""
    chosen = digits[random.integers(len(digits), size=len(like))]
    return _read_box(chosen)


def _read_box(images: Images) -> Ink:
    # By multiplication: the shipped rejector was trained on images that were rounded so. Once it is trained anew, this
    # is `scale_pixels`.
    return images[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN].astype(np.float32) * np.float32(1 / MAX_PIXEL)


def _narrow(ink: Ink, width: int) -> Ink:
    """Resample by area to fewer columns."""
    edges = np.linspace(0, ink.shape[2], width + 1)
    columns = np.arange(ink.shape[2])
    cover = np.clip(np.minimum(edges[1:, None], columns + 1) - np.maximum(edges[:-1, None], columns), 0, 1)
    narrowed: Ink = np.einsum("nyx,wx->nyw", ink, (cover / cover.sum(axis=1, keepdims=True)).astype(np.float32))
    return narrowed


def _shuffle(num: int, digits: Images, labels: NDArray[np.int64], random: np.random.Generator) -> Images:
    """The quarters of two digits in another order."""
    ink = np.zeros((num, BOX, BOX), np.float32)
    sources = np.stack([_pick(ink, digits, random), _pick(ink, digits, random)])
    half = BOX // 2
    quarters = [(slice(row, row + half), slice(column, column + half)) for row in (0, half) for column in (0, half)]
    orders = random.permuted(np.tile(np.arange(4), (num, 1)), axis=1)
    # A quarter that stays where it was comes from the other digit, so that no digit stays whole.
    is_other = (orders == np.arange(4)) & (np.arange(4) % 2 == 0)
    for place, target in enumerate(quarters):
        for quarter, source in enumerate(quarters):
            moved = np.flatnonzero(orders[:, place] == quarter)
            ink[(moved, *target)] = sources[(is_other[moved, place].astype(int), moved, *source)]
    return centre_ink(ink)


def _turn(num: int, digits: Images, labels: NDArray[np.int64], random: np.random.Generator) -> Images:
    """Digits on their side, on their head or in a mirror."""
    images = np.zeros((num, SIZE, SIZE), np.uint8)
    drawn = random.integers(len(_TURNS), size=num)
    for index, (turn, turned) in enumerate(_TURNS):
        where, candidates = np.flatnonzero(drawn == index), np.flatnonzero(np.isin(labels, turned))
        if len(candidates):
            images[where] = turn(digits[random.choice(candidates, len(where))])
    return images


def _lay_over(num: int, digits: Images, labels: NDArray[np.int64], random: np.random.Generator) -> Images:
    """A digit with another upon it, or crossed out."""
    ink = np.zeros((num, BOX, BOX), np.float32)
    scribbles = _read_box(_scribble(num - num // 2, random))
    # Ones and zeros are left out: they make slashed zeros and the like.
    bulky = digits[labels > 1] if (labels > 1).any() else digits
    shifted = np.pad(_pick(ink[: num // 2], bulky, random), ((0, 0), (0, 0), (5, 0)))[:, :, :BOX]
    return centre_ink(np.maximum(_pick(ink, bulky, random), np.concatenate([shifted, scribbles])))


_PURE: dict[str, Callable[[int, np.random.Generator], Images]] = {
    "scribbles": _scribble,
    "silhouettes": draw_silhouettes,
    "textures": draw_textures,
}
_FROM_DIGITS: dict[str, Callable[[int, Images, NDArray[np.int64], np.random.Generator], Images]] = {
    "several": _put_together,
    "shuffled": _shuffle,
    "turned": _turn,
    "overlaid": _lay_over,
}
SHARES = {
    "letters": 0.36,
    "symbols": 0.18,
    "scribbles": 0.1,
    "several": 0.05,
    "shuffled": 0.06,
    "turned": 0.07,
    "overlaid": 0.03,
    "silhouettes": 0.1,
    "textures": 0.05,
}
"""How much of each kind there is."""
