"""Photograph a sheet: paper, light, shadows, desk, blur and noise."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from digits.data.images import MAX_PIXEL
from digits.synthesis.page_sheet import PAGE_SIDE, SCALE, Sheet

Greys = NDArray[np.floating]
_LARGE = 40  # Pixels: such a digit can be read in a picture of a fifth of the size.
_ROWS, _COLUMNS = np.indices((PAGE_SIDE, PAGE_SIDE), np.float32) / PAGE_SIDE - 0.5


def photograph(sheet: Sheet, random: np.random.Generator, is_on_desk: bool) -> NDArray[np.uint8]:
    """Return the picture, uint8 `(256, 256)`, luminance."""
    digits, marks = (np.asarray(canvas.reduce(SCALE), np.float32) / MAX_PIXEL for canvas in (sheet.digits, sheet.marks))
    kind = random.random()
    if kind < 0.24 and not is_on_desk:
        return _scan(np.maximum(digits, marks), random)
    contrast = random.uniform(0.15, 0.3) if random.random() < 0.2 else random.uniform(0.3, 0.97)
    if random.random() < 0.3:
        digits = digits * _draw_pressure(random)
    ink = 1 - (1 - contrast * digits) * (1 - random.uniform(0.5, 1.1) * min(contrast, 0.85) * marks)
    paper = random.uniform(0.4, 1) * _draw_light(random)
    if random.random() < 0.4:
        paper = paper + _draw_grain(random) * random.uniform(0.01, 0.08) * _fade(contrast)
    picture: Greys = paper * (1 - ink)
    if is_on_desk:
        inside = _draw_outline(sheet, random)
        picture = inside * picture + (1 - inside) * _draw_desk(random) * _draw_light(random)
    if random.random() < 0.3:
        picture = picture * _draw_shadow(random)
    if random.random() < 0.12:
        picture = _cover(picture, random)
    # A picture of few pixels shows large digits that are blurred.
    is_large = min((height for *_, height, _ in sheet.written), default=0) > _LARGE
    return _take(picture, random.choice([0.003, 0.015, 0.04]) * _fade(contrast), is_large, random)


def _scan(ink: Greys, random: np.random.Generator) -> NDArray[np.uint8]:
    """Scan in black and white or draw on a screen; some scans have ragged edges."""
    if random.random() < 0.4:
        ink = (ink + random.normal(0, 0.25, ink.shape) > random.uniform(0.25, 0.6)).astype(np.float32)
    levels = Image.fromarray(np.rint((1 - ink).clip(0, 1) * MAX_PIXEL).astype(np.uint8))
    if random.random() < 0.3:
        levels = levels.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1)))
    picture = np.asarray(levels)
    return MAX_PIXEL - picture if random.random() < 0.25 else picture


def _draw_light(random: np.random.Generator) -> Greys:
    """Return light that falls off to one side and to the corners; 1 where it is brightest."""
    slope = random.normal(0, random.choice([0.05, 0.2, 0.5]), 2)
    light = slope[0] * _ROWS + slope[1] * _COLUMNS
    centre = random.uniform(-0.4, 0.4, 2)
    light = light - random.choice([0, 0.3, 1.2]) * ((_ROWS - centre[0]) ** 2 + (_COLUMNS - centre[1]) ** 2)
    fallen: Greys = np.exp(light - light.max()).astype(np.float32)
    return fallen


def _draw_grain(random: np.random.Generator) -> Greys:
    """Return a texture of a random coarseness, stretched one way or not, about in [-1, 1]."""
    rows, columns = np.exp(random.uniform(np.log(6), np.log(180), 2)).astype(int)
    coarse = random.normal(0, 0.6, (rows, columns if random.random() < 0.5 else rows)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((PAGE_SIDE, PAGE_SIDE), Image.Resampling.BICUBIC))


def _draw_pressure(random: np.random.Generator) -> Greys:
    """Return how hard the pen presses, as a pencil shows it, in [0.3, 1]."""
    return (1 + random.uniform(0.2, 0.7) * (_draw_grain(random) - 0.6)).clip(0.3, 1)


def _draw_outline(sheet: Sheet, random: np.random.Generator) -> Greys:
    """Return where the paper is, in [0, 1]."""
    margin = random.uniform(-20, 14, 4)
    left, top, right, bottom = margin[0], margin[1], PAGE_SIDE - margin[2], PAGE_SIDE - margin[3]
    corners = sheet.project(np.array([[left, top], [right, top], [right, bottom], [left, bottom]]))
    mask = Image.new("L", (PAGE_SIDE, PAGE_SIDE))
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in corners.tolist()], fill=MAX_PIXEL)
    return np.asarray(mask.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.2))), np.float32) / MAX_PIXEL


def _draw_desk(random: np.random.Generator) -> Greys:
    """Return a desk or a floor with its grain, some with joints."""
    desk = random.uniform(0.05, 0.8) + random.uniform(0.02, 0.2) * _draw_grain(random)
    if random.random() < 0.4:
        joints = Image.new("L", (PAGE_SIDE, PAGE_SIDE))
        for _ in range(int(random.integers(1, 5))):
            ends = random.uniform(-0.2, 1.2, 4) * PAGE_SIDE
            ImageDraw.Draw(joints).line(ends.tolist(), fill=MAX_PIXEL, width=int(random.integers(1, 4)))
        desk = desk * (1 - random.uniform(0.2, 0.9) * np.asarray(joints, np.float32) / MAX_PIXEL)
    return desk


def _draw_shadow(random: np.random.Generator) -> Greys:
    """Return the light beside a shadow with an edge that is soft or sharp."""
    turns = np.sort(random.uniform(0, 2 * np.pi, 6))
    radii = random.uniform(0.2, 0.9, 6) * PAGE_SIDE
    middle = random.uniform(-0.3, 1.3, 2) * PAGE_SIDE
    outline = middle + radii[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1)
    mask = Image.new("L", (PAGE_SIDE, PAGE_SIDE))
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in outline.tolist()], fill=MAX_PIXEL)
    soft = mask.filter(ImageFilter.GaussianBlur(float(np.exp(random.uniform(0, 3.2)))))
    return 1 - random.uniform(0.1, 0.55) * np.asarray(soft, np.float32) / MAX_PIXEL


def _cover(picture: Greys, random: np.random.Generator) -> Greys:
    """Cover a part of the edge with a finger, a phone or another sheet."""
    mask = Image.new("L", (PAGE_SIDE, PAGE_SIDE))
    draw = ImageDraw.Draw(mask)
    depth, length = random.uniform(6, 34), random.uniform(20, 200)
    place = random.uniform(0, PAGE_SIDE)
    if random.random() < 0.5:
        draw.ellipse((place - length / 3, -depth, place + length / 3, depth), fill=MAX_PIXEL)
    else:
        draw.polygon(
            [
                (place - length, -9),
                (place + length, -9),
                (place + length, random.uniform(0, depth)),
                (place - length, depth),
            ],
            fill=MAX_PIXEL,
        )
    turned = mask.rotate(int(random.integers(4)) * 90).filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.5)))
    cover = np.asarray(turned, np.float32) / MAX_PIXEL
    return picture * (1 - cover) + cover * random.uniform(0, 0.9) * (1 + 0.1 * _draw_grain(random))


def _fade(contrast: float) -> float:
    """Return how strong grain and noise may be, so that faint ink is not lost in them."""
    return min(2.5 * contrast, 1)


def _take(picture: Greys, noise: float, is_large: bool, random: np.random.Generator) -> NDArray[np.uint8]:
    """Expose, blur and store the picture."""
    picture = picture + random.normal(0, noise, picture.shape)
    levels = Image.fromarray(np.rint(picture.clip(0, 1) * MAX_PIXEL).astype(np.uint8))
    if random.random() < 0.6:
        levels = levels.filter(ImageFilter.GaussianBlur(random.uniform(0.2, 1.3)))
    if is_large and random.random() < 0.25:
        small = levels.reduce(int(random.integers(2, 6)))
        levels = small.resize(levels.size, Image.Resampling.BICUBIC)
    if random.random() < 0.3:
        stored = io.BytesIO()
        levels.save(stored, "JPEG", quality=int(random.integers(25, 90)))
        levels = Image.open(stored)
    taken = np.asarray(levels)
    return MAX_PIXEL - taken if random.random() < 0.08 else taken
