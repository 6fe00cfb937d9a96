"""Read several digits: lines put together from test digits, and cheque amounts; writes benchmarks/reading/lines.csv.

Usage:
    python -m benchmarks.reading.lines               # measure, and print the table
    python -m benchmarks.reading.lines --training    # the same with training digits, to choose by; writes nothing

The line network learns from lines that `digits.synthesis.lines` makes up of training digits and skeletons, 32 pixels
high. The lines of this file, and the amounts of handwriting.py, are drawn at full size by other code.

The cheque amounts (ORAND-CAR-A, ICFHR 2014) lie outside of the repository, in ../shared/drawings; without them their
rows are left out. They are for measuring only: no number was set on them. Which amounts were misread was looked at,
though, and writing habits that MNIST's writers lack (a 5 like a root sign, a 9 like a P, looped 2s) were added to
`digits.synthesis.glyphs`, so these rows are no score on writing never seen.
"""

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import ROOT
from benchmarks.networks import load_networks
from benchmarks.reading.handwriting import compose_amounts
from benchmarks.results import write_rows
from digits.data.dataset import LabelledImages, read_labelled_images
from digits.inference.line_reader import read_number, spell_number

RESULTS = ROOT / "benchmarks/reading/lines.csv"
CHEQUES = ROOT.parent / "shared" / "drawings" / "cheque_amounts.npz"
NUM_LINES = 100
AMOUNTS = "made-up amounts of test digits"


@dataclass(frozen=True)
class Style:
    """How a line is put together; lengths are shares of a digit's height."""

    name: str
    gap: tuple[float, float]
    num_digits: tuple[int, int] = (2, 6)
    height: int = 60
    is_paper: bool = False


ALONE = Style("one test digit", (0, 0), (1, 1))
SPACED = Style("2-6 test digits, spaced", (0.1, 0.5))
TOUCHING = Style("2-6 test digits, touching", (-0.08, 0.02))
PAPER = Style("2-6 test digits, patterned paper", (-0.05, 0.3), height=40, is_paper=True)
STYLES = (ALONE, SPACED, TOUCHING, PAPER)


def compose_line(images: NDArray[np.uint8], style: Style, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Put digits side by side, dark on light.

    Args:
        images: uint8 `(n, 28, 28)`.
        style: Gaps, size and paper.
        generator: Of all that varies.

    Returns:
        uint8 `(height, width)`, luminance.
    """
    height = style.height
    drawn = [_draw_digit(image, height * generator.uniform(0.8, 1.15)) for image in images]
    gaps = height * generator.uniform(*style.gap, len(drawn))
    width = sum(digit.shape[1] for digit in drawn) + int(np.abs(gaps).sum()) + height
    ink = np.zeros((2 * height, width), np.float32)
    left = float(height // 2)
    for digit, gap in zip(drawn, gaps, strict=True):
        top = round(height / 2 + (height - digit.shape[0]) / 2 + height * generator.uniform(-0.08, 0.08))
        window = np.s_[top : top + digit.shape[0], round(left) : round(left) + digit.shape[1]]
        ink[window] = np.maximum(ink[window], digit)
        left += digit.shape[1] + gap
    paper = _draw_paper(ink.shape, generator) if style.is_paper else np.full(ink.shape, 255.0)
    darkness = generator.uniform(0.45, 0.8) if style.is_paper else 1.0
    return np.clip(paper * (1 - darkness * ink), 0, 255).astype(np.uint8)


def _draw_digit(image: NDArray[np.uint8], height: float) -> NDArray[np.float32]:
    """Enlarge a digit, without the paper around it; its longer side is `height`."""
    rows, columns = np.flatnonzero(image.max(axis=1) > 64), np.flatnonzero(image.max(axis=0) > 64)
    digit = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = height / max(digit.shape)
    size = max(2, round(digit.shape[1] * scale)), max(2, round(digit.shape[0] * scale))
    return np.asarray(Image.fromarray(digit).resize(size, Image.Resampling.BICUBIC), np.float32) / 255


def _draw_paper(shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float64]:
    """Draw wavy lines, grain and at times a ruling, as on a cheque."""
    rows, columns = np.indices(shape)
    waves = np.sin(columns / generator.uniform(8, 30) + generator.uniform(0, 6)) * generator.uniform(0, 2)
    pattern = np.sin((rows + waves + columns * generator.uniform(-0.4, 0.4)) * generator.uniform(0.8, 2))
    paper = 200 + 14 * pattern + generator.normal(0, 6, shape)
    if generator.random() < 0.3:
        paper[int(shape[0] * 0.85)] -= 90
    return paper


def compose_lines(digits: LabelledImages, style: Style, seed: int) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Yield lines of 2-6 digits and what stands there, always the same ones."""
    generator = np.random.default_rng(seed)
    for _ in range(NUM_LINES):
        chosen = generator.choice(
            len(digits.labels), generator.integers(*style.num_digits, endpoint=True), replace=False
        )
        yield compose_line(digits.images[chosen], style, generator), "".join(map(str, digits.labels[chosen]))


def load_cheques() -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Yield the amounts and what stands there."""
    with np.load(CHEQUES) as archive:
        pixels, shapes, labels = archive["pixels"], archive["shapes"], archive["labels"]
    parts = np.split(pixels, shapes.prod(axis=1).cumsum()[:-1])
    for part, shape, label in zip(parts, shapes, labels, strict=True):
        yield part.reshape(shape), str(label)


def count_edits(read: str, true: str) -> int:
    """Return how many digits must be changed, added or taken away (Levenshtein's distance)."""
    row = list(range(len(true) + 1))
    for index, digit in enumerate(read, 1):
        diagonal, row[0] = row[0], index
        for place, other in enumerate(true, 1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (digit != other))
    return row[-1]


def score(name: str, pairs: list[tuple[str, str]], model: str) -> list[dict[str, object]]:
    """Return the rows of one set: numbers exactly right, of the right length, and digits right."""
    num_digits = sum(len(true) for _, true in pairs)
    num_edits = sum(count_edits(read, true) for read, true in pairs)
    counts = (
        ("numbers", len(pairs), sum(read == true for read, true in pairs)),
        ("numbers of the right length", len(pairs), sum(len(read) == len(true) for read, true in pairs)),
        ("digits", num_digits, num_digits - num_edits),
    )
    return [
        {
            "row": f"{name}: {what}",
            "num": num,
            "num_right": num_right,
            "right_percent": round(100 * num_right / num, 2),
            "model": model,
        }
        for what, num, num_right in counts
    ]


def read_all(drawings: Sequence[NDArray[np.uint8]]) -> list[str]:
    """Read drawings with the shipped model, two at a time."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return list(pool.map(read_one, drawings, chunksize=10))


def read_one(drawing: NDArray[np.uint8]) -> str:
    """Read a drawing with the shipped models, as the service does."""
    networks = load_networks()
    return spell_number(read_number(drawing, networks.line_reader, networks.classifier))


def measure(training: bool) -> list[dict[str, object]]:
    """Read all sets."""
    digits = read_labelled_images(ROOT / "data" / ("train.csv.gz" if training else "test.csv.gz"))
    seed = 2 if training else 1
    sets = [(style.name, compose_lines(digits, style, seed)) for style in STYLES]
    sets.append((AMOUNTS, compose_amounts(digits, NUM_LINES, seed)))
    if CHEQUES.exists() and not training:
        sets.append(("cheque amounts", load_cheques()))
    rows = []
    for name, lines in sets:
        drawings, numbers = zip(*lines, strict=True)
        pairs = list(zip(read_all(drawings), numbers, strict=True))
        rows += score(name, pairs, load_networks().version)
    return rows


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description="Measure the reading of several digits.")
    parser.add_argument("--training", action="store_true", help="of training digits, to choose by; writes nothing")
    training = parser.parse_args().training
    rows = measure(training)
    if not training:
        write_rows(RESULTS, rows)
    for row in rows:
        print(f"{row['row']:60} {row['num_right']:>5} of {row['num']:>5}  {row['right_percent']:6.2f} %")


if __name__ == "__main__":
    main()
