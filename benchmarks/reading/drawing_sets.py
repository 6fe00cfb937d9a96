"""Digits as people draw, print and photograph them: what `benchmarks/reading/drawings.py` measures on.

A drawing is uint8 `(height, width)`, luminance. The pen digits are read from `../shared/drawings`, which is no part of
this project and is for measuring only; digits on canvases are MNIST's test digits, drawn anew with a pen or in large.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from benchmarks import ROOT
from digits.data.image_file import decode_picture
from digits.data.images import MAX_PIXEL, SIZE

Drawing = NDArray[np.uint8]
Ink = NDArray[np.float32]  # [0, 1], 1 is ink

PEN_DIGITS = ROOT.parent / "shared/drawings/pen_digits.npz"
CANVAS = 400
FONT_PACKAGES = ("fonts-dejavu-core", "fonts-dejavu-extra", "fonts-freefont-ttf", "fonts-lato", "fonts-liberation")
_ENLARGED = 4  # Times MNIST's size, where a digit's skeleton is found.


def read_pen_strokes(path: Path = PEN_DIGITS) -> tuple[list[list[NDArray[np.float32]]], NDArray[np.str_]]:
    """Read pen digits or letters.

    Returns:
        For each drawing its strokes, float32 `(n, 2)`, x to the right and y down; and its label.
    """
    with np.load(path) as arrays:
        strokes = np.split(arrays["points"], np.cumsum(arrays["stroke_lengths"])[:-1])
        ends = np.cumsum(arrays["drawing_strokes"])
        labels = arrays["labels"].astype(np.str_)
    return [strokes[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)], labels


def draw_strokes(strokes: list[NDArray[np.float32]], pen: float, side: float = 0.7) -> Drawing:
    """Draw with a round black pen on a white canvas of 400x400.

    Args:
        strokes: Each float32 `(n, 2)`, in any unit.
        pen: Its width as a share of the canvas's height.
        side: The longer side of what the pen's centre draws, likewise.
    """
    oversampled = 2 * CANVAS
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = side * oversampled / max(float((high - low).max()), 1e-6)
    image = Image.new("L", (oversampled, oversampled), MAX_PIXEL)
    canvas = ImageDraw.Draw(image)
    width = pen * oversampled
    for stroke in strokes:
        path = [tuple(point) for point in (stroke - (low + high) / 2) * scale + oversampled / 2]
        for start, end in pairwise(path):
            canvas.line([start, end], 0, round(width))
        for x, y in path:
            canvas.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], 0)
    return np.asarray(image.reduce(2))


def list_fonts() -> list[Path]:
    """Return the font files of those of the Debian packages that are installed."""
    if shutil.which("dpkg") is None:
        return []
    listed = subprocess.run(["dpkg", "-L", *FONT_PACKAGES], capture_output=True, text=True, check=False).stdout
    return sorted({Path(line) for line in listed.splitlines() if line.endswith(".ttf")})


def print_digits(size: int = 120) -> Iterator[tuple[Drawing, int]]:
    """Print each digit in each font, black on white."""
    for file in list_fonts():
        font = ImageFont.truetype(file, size)
        for digit in range(10):
            image = Image.new("L", (2 * size, 2 * size), MAX_PIXEL)
            ImageDraw.Draw(image).text((size, size), str(digit), 0, font, anchor="mm")
            yield np.asarray(image), digit


def enlarge(image: NDArray[np.uint8], size: int) -> Ink:
    """Enlarge one of MNIST's digits as if it had been written at that size, with edges one pixel soft."""
    height = Image.fromarray(image.astype(np.float32) / MAX_PIXEL).resize((size, size), Image.Resampling.BICUBIC)
    steepness = size / SIZE / 2
    return np.clip((np.asarray(height) - 0.5) * steepness + 0.5, 0, 1)


def trace(image: NDArray[np.uint8], size: int, pen: float) -> Ink:
    """Write one of MNIST's digits anew with a round pen along its skeleton.

    Args:
        image: uint8 `(28, 28)`.
        size: Of the result.
        pen: Its width as a share of the 20 pixels that a digit is high.
    """
    small = _ENLARGED * SIZE
    skeleton = find_skeleton(enlarge(image, small) > 0.5)
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(~skeleton), 0.7).astype(np.float32)
    distance = np.asarray(Image.fromarray(distance).resize((size, size), Image.Resampling.BICUBIC)) * size / small
    return np.clip(pen * 20 / SIZE * size / 2 - distance + 0.5, 0, 1)


def find_skeleton(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin a shape to lines (Zhang and Suen, Communications of the ACM 27(3), 1984)."""
    mask = np.pad(mask, 1)
    while True:
        num_before = mask.sum()
        for first in (True, False):
            # The eight neighbours from above, clockwise.
            shifts = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))
            around = np.stack([np.roll(mask, shift, (0, 1)) for shift in shifts])
            num_inked = around.sum(axis=0)
            num_starts = (~around & np.roll(around, -1, axis=0)).sum(axis=0)
            above, right, below, left = around[::2]
            is_side = (
                ~(above & right & below | right & below & left)
                if first
                else ~(above & right & left | above & below & left)
            )
            mask = mask & ~((num_inked >= 2) & (num_inked <= 6) & (num_starts == 1) & is_side)
        if mask.sum() == num_before:
            return mask[1:-1, 1:-1]


def place(ink: Ink, row: int, column: int) -> Ink:
    """Put ink on an empty canvas; what reaches out is cut off."""
    canvas = np.zeros((CANVAS, CANVAS), np.float32)
    ink = ink[max(-row, 0) :, max(-column, 0) :]
    row, column = max(row, 0), max(column, 0)
    visible = canvas[row : row + ink.shape[0], column : column + ink.shape[1]]
    visible[:] = ink[: visible.shape[0], : visible.shape[1]]
    return canvas


def place_anywhere(ink: Ink, rng: np.random.Generator) -> Ink:
    """Put ink somewhere on the canvas."""
    row, column = rng.integers(0, CANVAS - ink.shape[0] + 1, 2)
    return place(ink, int(row), int(column))


def write_in_middle(image: NDArray[np.uint8], rng: np.random.Generator, size: int = 320) -> Ink:
    """Write a digit about as a person would; `size` is that of MNIST's 28 pixels."""
    start = (CANVAS - size) // 2
    return place(enlarge(image, size), start, start)


def slant(image: NDArray[np.uint8], rng: np.random.Generator) -> Ink:
    """Shear by 17 degrees to one side or the other."""
    ink = write_in_middle(image, rng)
    shear = 0.3 * rng.choice([-1, 1])
    offset = -shear * CANVAS / 2
    return ndimage.affine_transform(ink, [[1, 0], [shear, 1]], [0, offset], order=1)


def lay_ink(ink: Ink, paper: Ink | float = 1.0, strength: float = 0.9) -> Ink:
    """Return the brightness of ink on paper, in [0, 1]."""
    return paper * (1 - strength * ink)


def rule(rng: np.random.Generator, squared: bool = False) -> Ink:
    """Return paper with thin lines, 40 pixels apart, a little askew."""
    rows, columns = np.mgrid[:CANVAS, :CANVAS].astype(np.float32)
    angle = rng.uniform(-0.02, 0.02)
    line = np.zeros((CANVAS, CANVAS), np.float32)
    for across in (rows + angle * columns, columns - angle * rows) if squared else (rows + angle * columns,):
        distance = np.abs((across + rng.uniform(0, 40)) % 40 - 20)
        line = np.maximum(line, np.clip(1.5 - distance, 0, 1))
    return 1 - 0.35 * line


def shade(rng: np.random.Generator) -> Ink:
    """Return light that falls off to a third across the sheet, with the soft edge of a shadow in it."""
    rows, columns = np.mgrid[:CANVAS, :CANVAS].astype(np.float32) / CANVAS - 0.5
    angle, shadow_angle = rng.uniform(0, 2 * np.pi, 2)
    gradient = 0.65 + 0.5 * (np.cos(angle) * rows + np.sin(angle) * columns)
    across = np.cos(shadow_angle) * rows + np.sin(shadow_angle) * columns + rng.uniform(-0.2, 0.2)
    shadow = 1 - 0.35 / (1 + np.exp(-across / 0.02))
    return (gradient * shadow).astype(np.float32)


def texture(rng: np.random.Generator) -> Ink:
    """Return the relief of rough paper."""
    fine, coarse = (ndimage.gaussian_filter(rng.normal(0, 1, (CANVAS, CANVAS)), sigma) * sigma for sigma in (1, 6))
    return (1 + 0.05 * fine + 0.08 * coarse).astype(np.float32)


def photograph(brightness: Ink, rng: np.random.Generator) -> Drawing:
    """Blur a little, add a sensor's noise, and save as JPEG."""
    seen = ndimage.gaussian_filter(brightness, 1.2) * 0.8 + rng.normal(0, 0.04, brightness.shape)
    file = BytesIO()
    Image.fromarray(finish(seen)).save(file, "JPEG", quality=60)
    return decode_picture(file.getvalue()).luminance


def finish(brightness: NDArray[np.floating]) -> Drawing:
    """Return brightness in [0, 1] as a drawing."""
    return np.rint(np.clip(brightness, 0, 1) * MAX_PIXEL).astype(np.uint8)


def _chalk(image: NDArray[np.uint8], rng: np.random.Generator) -> Drawing:
    chalk = write_in_middle(image, rng) * np.clip(0.8 + 0.3 * rng.normal(0, 1, (CANVAS, CANVAS)), 0, 1)
    return photograph((0.25 + 0.55 * chalk) * texture(rng), rng)


def _photo(image: NDArray[np.uint8], rng: np.random.Generator, lined: bool = False) -> Drawing:
    ink = place_anywhere(trace(image, 260, rng.uniform(0.05, 0.12)), rng)
    return photograph(lay_ink(ink, (rule(rng) if lined else 1.0) * shade(rng) * texture(rng), 0.7), rng)


def _lay_on_desk(image: NDArray[np.uint8], rng: np.random.Generator) -> Drawing:
    """Photograph a sheet that lies askew on a desk and does not fill the picture."""
    ink = place_anywhere(enlarge(image, 150), rng)
    sheet = np.ones((CANVAS, CANVAS), np.float32)
    angle, size = np.deg2rad(rng.uniform(-10, 10)), rng.uniform(1.1, 1.4)
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.full(2, CANVAS / 2)
    offset = middle - turn @ (middle + rng.uniform(-20, 20, 2))
    seen, is_sheet = (ndimage.affine_transform(one, turn, offset, order=1) for one in (ink, sheet))
    light = 0.9 + 0.2 * np.linspace(-0.5, 0.5, CANVAS)
    desk = rng.uniform(0.1, 0.5)
    brightness = (is_sheet * lay_ink(seen, strength=0.7) + (1 - is_sheet) * desk) * light
    return photograph(brightness * texture(rng), rng)


Draw = Callable[[NDArray[np.uint8], np.random.Generator], Drawing]


def _write(make: Callable[[NDArray[np.uint8], np.random.Generator], Ink]) -> Draw:
    return lambda image, rng: finish(lay_ink(make(image, rng)))


CANVASES: dict[str, Draw] = {
    "on a canvas": _write(write_in_middle),
    "inverted": lambda image, rng: MAX_PIXEL - finish(lay_ink(write_in_middle(image, rng))),
    "large, to the edge": _write(partial(write_in_middle, size=CANVAS * SIZE // 21)),
    "small, a tenth of the canvas": _write(lambda image, rng: place_anywhere(enlarge(image, 56), rng)),
    "off-centre": _write(lambda image, rng: place_anywhere(enlarge(image, 200), rng)),
    "slanted by 17 degrees": _write(slant),
    "very thin pen, 2 %": _write(lambda image, rng: place(trace(image, 320, 0.02), 40, 40)),
    "thin pen, 5 %": _write(lambda image, rng: place(trace(image, 320, 0.05), 40, 40)),
    "thick pen, 20 %": _write(lambda image, rng: place(trace(image, 320, 0.2), 40, 40)),
    "pencil, a fifth of the contrast": lambda image, rng: finish(lay_ink(write_in_middle(image, rng), 0.9, 0.2)),
    "on lined paper": lambda image, rng: finish(lay_ink(write_in_middle(image, rng), rule(rng))),
    "on squared paper": lambda image, rng: finish(lay_ink(write_in_middle(image, rng), rule(rng, squared=True))),
    "under uneven light": lambda image, rng: finish(lay_ink(write_in_middle(image, rng), shade(rng))),
    "photograph": _photo,
    "photograph of lined paper": partial(_photo, lined=True),
    "chalk on a board": _chalk,
    "a sheet on a darker desk": _lay_on_desk,
}


def draw_canvases(name: str, images: NDArray[np.uint8], seed: int = 0) -> Iterator[Drawing]:
    """Draw MNIST's digits as `CANVASES` says; the same seed draws the same."""
    for index, image in enumerate(images):
        yield CANVASES[name](image, np.random.default_rng([seed, list(CANVASES).index(name), index]))
