"""What stands on a page beside digits: rulings, cells, words, scribbles, blots, fingers."""

from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

from digits.synthesis.page_sheet import PAGE_SIDE, SCALE, Sheet, draw_letters, to_level

_ALPHABET = list("abcdefghijkmnprstuvwxyzABCDEFGHJKLMNPQRTUVWXYZ.,:()")


def rule(sheet: Sheet, random: np.random.Generator) -> None:
    """Draw rulings or a grid over the whole sheet."""
    pitch = random.uniform(9, 70)
    level, pen = to_level(random.uniform(0.15, 0.9)), random.uniform(0.5, 1.6)
    start = random.uniform(0, pitch)
    far = PAGE_SIDE / 2
    is_grid = random.random() < 0.35
    for place in np.arange(start - 4 * pitch - far, PAGE_SIDE + far, pitch):
        sheet.mark([(-far, place), (PAGE_SIDE / 2, place), (PAGE_SIDE + far, place)], pen, level)
        if is_grid:
            sheet.mark([(place, -far), (place, PAGE_SIDE / 2), (place, PAGE_SIDE + far)], pen, level)


def write_words(sheet: Sheet, random: np.random.Generator, height: float) -> None:
    """Write words by hand, beside the digits."""
    level, pen = to_level(random.uniform(0.5, 1)), height * random.uniform(0.03, 0.12)
    for _ in range(int(random.integers(1, 5))):
        letters = draw_letters(int(random.integers(1, 8)), random, "letters" if random.random() < 0.8 else "symbols")
        width = height * 0.75 * len(letters)
        left, top = random.uniform(-10, PAGE_SIDE - 20), random.uniform(0, PAGE_SIDE - height)
        if not sheet.is_free(left - 3, top - 3, left + width + 3, top + height + 3):
            continue
        for place, segments in enumerate(letters):
            middle = np.array([left + height * (0.75 * place + 0.4), top + height / 2])
            for segment in segments * height * random.uniform(0.6, 1) + middle:
                sheet.mark(segment, pen, level)
        sheet.taken.append((left, top, left + width, top + height))


def print_words(sheet: Sheet, random: np.random.Generator) -> None:
    """Print words beside the digits."""
    size = float(np.exp(random.uniform(np.log(7), np.log(34))))
    level = to_level(random.uniform(0.4, 1))
    for _ in range(int(random.integers(1, 9))):
        words = [
            "".join(random.choice(_ALPHABET, int(random.integers(1, 10)))) for _ in range(int(random.integers(1, 5)))
        ]
        text = " ".join(words)
        mask = _print(text, round(size * SCALE))
        width, height = mask.width / SCALE, mask.height / SCALE
        left, top = random.uniform(-width / 2, PAGE_SIDE - 10), random.uniform(-5, PAGE_SIDE - height)
        if not sheet.is_free(left - 2, top - 2, left + width + 2, top + height + 2):
            continue
        sheet.taken.append((left, top, left + width, top + height))
        _paste(sheet, mask, left, top, level)


def _print(text: str, size: int) -> Image.Image:
    font = _load_font(size)
    left, top, right, bottom = font.getbbox(text)
    mask = Image.new("L", (max(int(right - left), 1), max(int(bottom - top), 1)))
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font)
    return mask


@cache
def _load_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _paste(sheet: Sheet, mask: Image.Image, left: float, top: float, level: int) -> None:
    """Lay a mask, at twice its size, onto the sheet as the camera sees it."""
    # Leads from the canvas's pixels to the mask's.
    shrink, place = (
        np.diag([1 / SCALE, 1 / SCALE, 1.0]),
        np.array([[SCALE, 0, -left * SCALE], [0, SCALE, -top * SCALE], [0, 0, 1.0]]),
    )
    back = place @ np.linalg.inv(sheet.view) @ shrink
    coefficients = (back / back[2, 2]).ravel()[:8].tolist()
    seen = mask.transform(sheet.marks.size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR)
    sheet.marks.paste(ImageChops.lighter(sheet.marks, seen.point(lambda value: value * level // 255)))


def scribble(sheet: Sheet, random: np.random.Generator) -> None:
    """Let a pen wander over a part of the sheet."""
    middle, size = random.uniform(0, PAGE_SIDE, 2), random.uniform(8, 60)
    if not sheet.is_free(*(middle - size), *(middle + size)):
        return
    time = np.linspace(0, random.uniform(2, 12), 60)
    points = np.zeros((60, 2))
    for speed in range(1, 5):
        points += random.normal(0, 0.5 / speed, 2) * np.sin(speed * time[:, None] + random.uniform(0, 7, 2))
    sheet.mark(middle + size * points.clip(-1, 1), random.uniform(0.8, 5), to_level(random.uniform(0.4, 1)))
    sheet.taken.append((*(middle - size), *(middle + size)))


def blot(sheet: Sheet, random: np.random.Generator) -> None:
    """Make blots and specks, of which some lie near the digits."""
    for _ in range(int(random.choice([1, 2, 5, 20]))):
        size = float(np.exp(random.uniform(np.log(0.5), np.log(14))))
        middle = random.uniform(0, PAGE_SIDE, 2)
        if size > 1.5 and not sheet.is_free(*(middle - 1.3 * size), *(middle + 1.3 * size)):
            continue
        turns = np.arange(10) / 10 * 2 * np.pi
        radii = size * random.uniform(0.4, 1.2, (10, 1)) * random.uniform(0.5, 1.0, 2)
        sheet.fill(middle + radii * np.stack([np.cos(turns), np.sin(turns)], 1), to_level(random.uniform(0.3, 1)))


def put_stops(sheet: Sheet, random: np.random.Generator, height: float, pen: float, level: int) -> None:
    """Put stops, commas and dashes between some of the digits, or strike a line under them."""
    boxes = list(sheet.taken)
    if not boxes:
        return
    for left, _, right, bottom in boxes:
        if random.random() > 0.2:
            continue
        gap = height * random.uniform(0.06, 0.2)
        x, y = right + gap + pen / 2, bottom
        kind = random.integers(4)
        if not sheet.is_free(x - pen / 2, y - height, x + pen, y + 0.2 * height):
            continue
        if kind == 0:
            sheet.mark([(x, y), (x + 0.5, y)], pen * 1.2, level)
        elif kind == 1:
            sheet.mark([(x, y - 0.05 * height), (x - 0.08 * height, y + 0.15 * height)], pen, level)
        elif kind == 2 and sheet.is_free(x, y - height, x + 0.4 * height, y):
            sheet.mark([(x, y - height / 2), (x + 0.35 * height, y - height * random.uniform(0.45, 0.55))], pen, level)
        elif kind == 3:
            line = bottom + height * random.uniform(0.12, 0.4)
            sheet.mark([(left - height, line), (right + height, line + random.normal(0, 2))], pen, level)
