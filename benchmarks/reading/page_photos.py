"""Photos of pages, made up of MNIST's digits, to measure on.

The network learns from pages that `digits.synthesis.pages` draws at 256 pixels with a pen of its own. These are drawn
by other code: MNIST's digits are enlarged as they are, onto a sheet of 1,400 pixels with rulings or cells. The sheet is
turned, lit from one side, partly in shadow, blurred and stored as a JPEG.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from digits.data.dataset import LabelledImages
from digits.data.images import MAX_PIXEL

NUM_PAGES = 25
"""Pages of each kind that are measured."""
SHEET = 1400
"""Pixels of a sheet's longer side."""
_CROP_LEVEL = 64


@dataclass(frozen=True)
class PageStyle:
    """How the pages of one kind look."""

    name: str
    is_in_cells: bool = False
    is_in_shadow: bool = False
    most_degrees: float = 2.0
    num_lines: tuple[int, int] = (3, 8)


PLAIN = PageStyle("made-up pages")
SHADOW = PageStyle("made-up pages, in shadow", is_in_shadow=True)
SLOPE = PageStyle("made-up pages, slope to 15 degrees", most_degrees=15)
CELLS = PageStyle("made-up pages, cells", is_in_cells=True, most_degrees=5)
PAGE_STYLES = (PLAIN, SHADOW, SLOPE, CELLS)


def compose_photos(
    digits: LabelledImages, style: PageStyle, count: int, seed: int
) -> Iterator[tuple[NDArray[np.uint8], list[str]]]:
    """Yield photos, uint8 `(height, width)`, luminance, and the numbers on each from top to bottom."""
    for index in range(count):
        generator = np.random.default_rng([seed, index, *style.name.encode()])
        ink, numbers = _write(digits, style, generator)
        yield _photograph(ink, style, generator), numbers


def _write(digits: LabelledImages, style: PageStyle, generator: np.random.Generator) -> tuple[Image.Image, list[str]]:
    """Return the sheet's ink and what is written."""
    width, height = SHEET, int(SHEET * generator.uniform(0.7, 1.0))
    sheet = Image.new("L", (width, height))
    draw = ImageDraw.Draw(sheet)
    num_lines = int(generator.integers(*style.num_lines, endpoint=True))
    pitch = height / (num_lines + 1)
    size = pitch * generator.uniform(0.4, 0.62)
    numbers = []
    for line in range(num_lines):
        middle = pitch * (line + 1)
        most = 9 if style.is_in_cells else 10
        num = int(generator.integers(2, most, endpoint=True))
        step = size * (1.25 if style.is_in_cells else generator.uniform(0.85, 1.5))
        num = min(num, int((width * 0.8) // step))
        left = generator.uniform(0.06, 0.94 - num * step / width) * width
        chosen = generator.integers(len(digits.labels), size=num)
        for place, one in enumerate(chosen):
            x = left + (place + 0.5) * step
            if style.is_in_cells:
                side = step / 2
                draw.rectangle((x - side, middle - 0.7 * size, x + side, middle + 0.7 * size), outline=190, width=3)
            image = digits.images[one]
            rows, columns = (np.flatnonzero((image > _CROP_LEVEL).any(axis=axis)) for axis in (1, 0))
            cropped = Image.fromarray(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
            scale = size * generator.uniform(0.85, 1.1) / max(cropped.size)
            drawn = cropped.resize(
                (max(round(cropped.width * scale), 1), max(round(cropped.height * scale), 1)), Image.Resampling.BICUBIC
            )
            where = round(x - drawn.width / 2), round(middle - drawn.height / 2 + size * generator.normal(0, 0.04))
            sheet.paste(MAX_PIXEL, where, drawn)
        numbers.append("".join(map(str, digits.labels[chosen])))
    if not style.is_in_cells and generator.random() < 0.4:
        for row in np.arange(0, height, pitch / 2):
            draw.line((0, row, width, row), fill=70, width=2)
    return sheet, numbers


def _photograph(ink: Image.Image, style: PageStyle, generator: np.random.Generator) -> NDArray[np.uint8]:
    angle = generator.uniform(-style.most_degrees, style.most_degrees)
    turned = ink.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    levels = np.asarray(turned, np.float32) / MAX_PIXEL
    height, width = levels.shape
    rows, columns = np.indices(levels.shape, np.float32)
    slope = generator.uniform(-0.25, 0.25, 2)
    light = 0.8 * np.exp(slope[0] * (rows / height - 0.5) + slope[1] * (columns / width - 0.5))
    if style.is_in_shadow:
        mask = Image.new("L", (width, height))
        corners = [(generator.uniform(-0.2, 1.2) * width, generator.uniform(-0.2, 1.2) * height) for _ in range(4)]
        ImageDraw.Draw(mask).polygon(corners, fill=MAX_PIXEL)
        soft = mask.filter(ImageFilter.GaussianBlur(generator.uniform(2, 40)))
        light *= 1 - generator.uniform(0.2, 0.5) * np.asarray(soft, np.float32) / MAX_PIXEL
    picture = light * (1 - generator.uniform(0.45, 0.9) * levels) + generator.normal(0, 0.012, levels.shape)
    photo = Image.fromarray(np.rint(picture.clip(0, 1) * MAX_PIXEL).astype(np.uint8))
    stored = io.BytesIO()
    photo.filter(ImageFilter.GaussianBlur(generator.uniform(0.5, 1.6))).save(stored, "JPEG", quality=80)
    return np.asarray(Image.open(stored))
