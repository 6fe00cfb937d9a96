"""Draw the page of numbers that the drawing page offers as a sample, from skeletons and not from anyone's hand.

`python -m digits.synthesis.sample_page FILE.webp` writes it, and `make sample_page` writes the one that is served.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from digits.data.images import MAX_PIXEL
from digits.errors import end_in_one_line
from digits.synthesis.glyphs import list_glyphs, trace
from digits.synthesis.pen import bend, draw_lines

SEED = 11
_SIZE = (1440, 1080)
_DIGIT = 98  # Height in pixels.
_PEN = 4.0  # Half of its width in pixels.
_RULING = 178  # Pixels from one ruled line to the next.
_MARGIN = 150  # Pixels.
_PAPER, _INK, _RULE, _EDGE, _DESK = (252, 249, 240), (30, 44, 110), (176, 200, 226), (226, 150, 150), (128, 104, 84)
_FINENESS = 2  # The photo is taken at this many times its size, and then reduced, which softens the sheet's edges.
# Each line: the ruled line that it stands on, where it begins, its slope in degrees, and its number.
LINES = (
    (0, 215, -1.5, "0123456789"),
    (1, 230, 0.5, "3141592653"),
    (2, 210, -2.0, "271828"),
    (3, 240, 1.5, "1618034"),
    (4, 215, -0.5, "4096"),
)
# Where the corners of the sheet lie in the photo, from the upper left clockwise: shares of its width and height.
_CORNERS = ((0.045, 0.02), (0.985, 0.05), (0.965, 0.985), (0.02, 0.965))


def draw_sample() -> Image.Image:
    """Return the page as a camera sees it."""
    random = np.random.default_rng(SEED)
    ink = np.zeros(_SIZE[::-1], np.float32)
    # One hand writes a digit in one form.
    forms = {digit: forms[random.integers(len(forms))] for digit, forms in list_glyphs("digits").items()}
    for row, left, degrees, number in LINES:
        _write(ink, [forms[digit] for digit in number], left, _RULING * (row + 1.3), degrees, random)
    sheet = Image.composite(Image.new("RGB", _SIZE, _INK), _rule(), _to_image(ink))
    fine = (_SIZE[0] * _FINENESS, _SIZE[1] * _FINENESS)
    photo = sheet.transform(
        fine, Image.Transform.PERSPECTIVE, _find_coefficients(), Image.Resampling.BICUBIC, fillcolor=_DESK
    ).reduce(_FINENESS)
    return Image.fromarray(np.rint(np.asarray(photo) * _draw_light()).astype(np.uint8))


def _write(
    ink: NDArray[np.float32],
    forms: Sequence[str],
    left: float,
    middle: float,
    degrees: float,
    random: np.random.Generator,
) -> None:
    """Write digits along a slope: `middle` is the height of the first one's middle."""
    side = 2 * _DIGIT
    slope = np.tan(np.deg2rad(degrees))
    start = left
    for form in forms:
        points, is_down = trace(form, is_rounded=False)
        bent = bend(points[None].astype(np.float32), random, 0.45)[0]
        low, high = bent.min(axis=0), bent.max(axis=0)
        height = _DIGIT * float(np.exp(random.normal(0, 0.05)))
        drawn = (bent - (low + high) / 2) * min(height / (high - low)[1], 0.9 * height / (high - low)[0]) + side / 2
        glyph = draw_lines(drawn[None], is_down[None], np.full((1, 1, 1), _PEN, np.float32), side)[0]
        width = float(np.ptp(drawn[:, 0]))
        x = round(left + width / 2) - _DIGIT
        y = round(middle + slope * (left - start) + random.normal(0, 3)) - _DIGIT
        part = ink[y : y + side, x : x + side]
        np.maximum(part, glyph[: part.shape[0], : part.shape[1]], out=part)
        left += width + random.uniform(0.28, 0.4) * _DIGIT


def _rule() -> Image.Image:
    """Return the empty sheet."""
    sheet = Image.new("RGB", _SIZE, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for y in range(round(_RULING * 1.78), _SIZE[1], _RULING):
        draw.line((0, y, _SIZE[0], y), fill=_RULE, width=3)
    draw.line((_MARGIN, 0, _MARGIN, _SIZE[1]), fill=_EDGE, width=3)
    return sheet


def _to_image(ink: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.rint(ink * MAX_PIXEL).astype(np.uint8))


def _find_coefficients() -> Sequence[float]:
    """Return the eight numbers with which Pillow finds a pixel of the sheet for each one of the photo."""
    width, height = _SIZE
    corners = ((0, 0), (width, 0), (width, height), (0, height))
    seen = np.array(_CORNERS) * _SIZE * _FINENESS
    equations = []
    for (x, y), (u, v) in zip(seen, corners, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    coefficients: list[float] = np.linalg.solve(equations, np.ravel(corners)).tolist()
    return coefficients


def _draw_light() -> NDArray[np.float64]:
    """Return the light, `(height, width, 1)` in [0, 1]: a lamp at the upper left."""
    rows, columns = np.indices(_SIZE[::-1]) / _SIZE[0]
    light: NDArray[np.float64] = 1 - 0.24 * ((rows - 0.2) ** 2 + (columns - 0.35) ** 2)
    return light[..., None]


def main() -> None:
    """Write the sample to the file named on the command line."""
    draw_sample().save(Path(sys.argv[1]), quality=82, method=6)


if __name__ == "__main__":
    with end_in_one_line("the sample is as it was."):
        main()
