"""Amounts as people write them on cheques, made up from MNIST's digits, at the size of a scan, to measure on.

A line has a pen and a slant of its own. The pen presses unevenly, digits differ in size and may touch, noughts are
often small, stops and dashes stand among them, and the paper is printed with waves, rulings and grain, and scanned a
little blurred.

`python -m benchmarks.reading.handwriting` tries several values of the least contrast between ink and the
paper's noise in `digits.preprocessing.binarise`. It shows for each how many amounts would be taken for bare paper, and
how much bare paper for ink.
"""

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from benchmarks import ROOT
from benchmarks.reading.drawing_sets import finish, trace
from digits.data.dataset import LabelledImages, read_labelled_images
from digits.data.images import MAX_PIXEL
from digits.preprocessing.binarise import measure_contrast
from digits.preprocessing.rulings import keep_line_strokes
from digits.synthesis.stroke_variants import StrokeVariants, draw_variants

Ink = NDArray[np.float32]


def compose_amounts(digits: LabelledImages, count: int, seed: int) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Yield amounts and what stands there, always the same ones.

    Args:
        digits: MNIST's, to write with.
        count: How many amounts.
        seed: The same seed writes the same.
    """
    for index in range(count):
        generator = np.random.default_rng([seed, index])
        number = _draw_number(generator)
        chosen = [int(generator.choice(np.flatnonzero(digits.labels == digit))) for digit in number]
        images = _add_strokes(digits.images[chosen], digits.labels[chosen], generator)
        yield _write(images, number, generator), "".join(map(str, number))


def _draw_number(generator: np.random.Generator) -> list[int]:
    """Return digits; many amounts are round."""
    length = int(generator.integers(2, 6, endpoint=True))
    number = [int(generator.integers(1, 10)), *generator.integers(0, 10, length - 1).tolist()]
    if generator.random() < 0.3:
        num_zeros = int(generator.integers(1, min(length - 1, 3), endpoint=True))
        number[-num_zeros:] = [0] * num_zeros
    return number


def _add_strokes(
    images: NDArray[np.uint8], labels: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Flag the ones and cross the sevens of some writers."""
    variants = StrokeVariants(0.0, float(generator.random() < 0.5), float(generator.random() < 0.4))
    written = images.copy()
    for digit in (1, 7):
        of_digit = labels == digit
        drawn, _ = draw_variants(images[of_digit], labels[of_digit], variants, int(generator.integers(2**31)))
        if len(drawn):
            written[of_digit] = drawn
    return written


def _write(images: NDArray[np.uint8], number: list[int], generator: np.random.Generator) -> NDArray[np.uint8]:
    height = generator.uniform(24, 46)
    pen = generator.uniform(0.06, 0.15)
    slant = generator.normal(0.1, 0.2)
    gap = generator.uniform(-0.2, 0.3)
    is_linked = generator.random() < 0.3
    zero_size = generator.uniform(0.5, 1) if generator.random() < 0.4 else 1.0
    ink = np.zeros((round(2 * height), round(1.6 * height * (len(number) + 4))), np.float32)
    left = 0.5 * height
    for place, (image, digit) in enumerate(zip(images, number, strict=True)):
        size = height * generator.uniform(0.85, 1.15) * (zero_size if digit == 0 else 1)
        shape = _crop(_shear(trace(image, round(size * 28 / 20), pen), slant + generator.normal(0, 0.05)))
        bottom = 1.5 * height + height * generator.normal(0, 0.04)
        if is_linked and place:
            _link(ink, shape, left, bottom - len(shape), generator)
        _lay(ink, shape, left, bottom - len(shape))
        right = left + shape.shape[1]
        left += shape.shape[1] + height * (gap + generator.normal(0, 0.06))
        if len(number) - place == 4 and generator.random() < 0.6:
            left = _write_stop(ink, left, bottom, height, pen, generator)
    if generator.random() < 0.4:
        left = _write_dash(ink, left, height, pen, generator)
    ink = ink[:, : round(max(left, right) + generator.uniform(0.1, 0.6) * height)]
    ink *= _press(ink.shape, generator)
    brightness = _print_paper(ink.shape, height, generator) * (1 - generator.uniform(0.4, 0.75) * ink)
    return _scan(brightness, generator)


def draw_paper(generator: np.random.Generator) -> NDArray[np.uint8]:
    """Scan paper that nobody wrote on."""
    height = generator.uniform(24, 46)
    return _scan(
        _print_paper((round(2 * height), round(height * generator.uniform(3, 9))), height, generator), generator
    )


def _scan(brightness: Ink, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Blur a little and add a scanner's noise."""
    scan = Image.fromarray(finish(brightness)).filter(ImageFilter.GaussianBlur(generator.uniform(0.3, 0.9)))
    return finish((np.asarray(scan) + generator.normal(0, generator.uniform(1, 5), brightness.shape)) / MAX_PIXEL)


def _shear(ink: Ink, slant: float) -> Ink:
    """Lean ink to the right by so many columns a row."""
    side = len(ink)
    padded = np.pad(ink, ((0, 0), (side // 2, side // 2)))
    transform = (1, slant, -slant * side / 2, 0, 1, 0)
    size = padded.shape[1], side
    return np.asarray(Image.fromarray(padded).transform(size, Image.Transform.AFFINE, transform, 2))


def _crop(ink: Ink) -> Ink:
    rows, columns = (np.flatnonzero((ink > 0.3).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _lay(ink: Ink, shape: Ink, left: float, top: float) -> None:
    row, column = max(round(top), 0), max(round(left), 0)
    window = ink[row : row + shape.shape[0], column : column + shape.shape[1]]
    np.maximum(window, shape[: window.shape[0], : window.shape[1]], out=window)


def _link(ink: Ink, shape: Ink, left: float, top: float, generator: np.random.Generator) -> None:
    """Join a digit to the one before it, as a pen does that is not lifted."""
    row = round(len(shape) * generator.uniform(0.05, 0.95))
    before = np.flatnonzero(ink[round(top) + row, : round(left)] > 0.5)
    after = np.flatnonzero(shape[row] > 0.5)
    if generator.random() < 0.5 and len(before) and len(after):
        ink[round(top) + row : round(top) + row + 2, before[-1] : round(left) + after[0]] = 1


def _write_stop(
    ink: Ink, left: float, bottom: float, height: float, pen: float, generator: np.random.Generator
) -> float:
    """Write a stop or a comma, and return where to go on."""
    width = max(2, round(height * pen * generator.uniform(0.8, 1.4)))
    length = width if generator.random() < 0.6 else round(height * generator.uniform(0.15, 0.3))
    stop = _crop(np.pad(_shear(np.pad(np.ones((length, width), np.float32), 1), 0.4), 1))
    _lay(ink, stop, left + 0.05 * height, bottom - generator.uniform(0, 0.1) * height)
    return left + width + height * generator.uniform(0.1, 0.4)


def _write_dash(ink: Ink, left: float, height: float, pen: float, generator: np.random.Generator) -> float:
    """End with a dash, or two above each other, and return where to go on."""
    width, thickness = round(height * generator.uniform(0.3, 0.8)), max(2, round(height * pen))
    left += generator.uniform(0.05, 0.5) * height
    for row in (1.0,) if generator.random() < 0.7 else (0.9, 1.15):
        _lay(ink, np.ones((thickness, width), np.float32), left, row * height)
    return left + width


def _press(shape: tuple[int, ...], generator: np.random.Generator) -> Ink:
    """Return how hard the pen pressed, in [0.3, 1]: unevenly, every half digit or so."""
    coarse = generator.uniform(generator.uniform(0.3, 0.9), 1, (max(shape[0] // 12, 2), max(shape[1] // 12, 2)))
    return np.asarray(Image.fromarray(coarse.astype(np.float32)).resize(shape[::-1], Image.Resampling.BILINEAR))


def _print_paper(shape: tuple[int, ...], height: float, generator: np.random.Generator) -> Ink:
    """Return the brightness of printed paper: two families of waves, a ruling, grain and uneven light."""
    rows, columns = np.indices(shape).astype(np.float32)
    light = generator.uniform(0.6, 0.85) + generator.uniform(-0.1, 0.1) * columns / shape[1]
    paper = light + np.zeros(shape, np.float32)
    for _ in range(2):
        angle, period = generator.uniform(0, np.pi), generator.uniform(4, 10)
        along = rows * np.cos(angle) + columns * np.sin(angle)
        bend = generator.uniform(0, 3) * np.sin(
            (rows * np.sin(angle) - columns * np.cos(angle)) / generator.uniform(6, 25)
        )
        line = np.clip(np.cos((along + bend) * 2 * np.pi / period), 0, 1) ** 2
        paper -= generator.uniform(0, 0.12) * line
    if generator.random() < 0.4:
        row = round(1.5 * height + generator.uniform(0.05, 0.3) * height)
        paper[row : row + 1 + int(generator.random() < 0.3)] -= generator.uniform(0.1, 0.35)
    coarse = generator.normal(0, 0.04, (shape[0] * 2 // 3, shape[1] * 2 // 3)).astype(np.float32)
    return paper + np.asarray(Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BILINEAR))


def main() -> None:
    """Print what each least contrast to noise would take for paper and for ink."""
    digits = read_labelled_images(ROOT / "data" / "train.csv.gz")
    amounts = [drawing for drawing, _ in compose_amounts(digits, 200, seed=2)]
    papers = [draw_paper(np.random.default_rng([3, index])) for index in range(200)]
    print("| least contrast to noise | amounts without ink (%) | paper with ink (%) |\n| ---: | ---: | ---: |")
    for least in (3.0, 3.5, 4.0, 4.5, 5.0, 6.0):
        with patch("digits.preprocessing.binarise._MIN_CONTRAST_TO_NOISE", least):
            shares = [
                np.mean([keep_line_strokes(*measure_contrast(one)).any() for one in some]) for some in (amounts, papers)
            ]
        print(f"| {least} | {100 * (1 - shares[0]):.1f} | {100 * shares[1]:.1f} |")


if __name__ == "__main__":
    main()
