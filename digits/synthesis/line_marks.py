"""Marks in a line of digits that are no digits: stops, commas, dashes, equals signs, frames, waves."""

import numpy as np
from PIL import Image, ImageDraw

from digits.data.images import MAX_PIXEL, scale_pixels
from digits.preprocessing.binarise import Ink

_ENLARGED = 2  # The marks are drawn at this many times the size of the line, and then reduced.
# What follows the last digit of an amount keeps forgers from adding more. Each kind has a probability.
_ENDS = {
    "stop": 0.24,
    "stop dash": 0.22,
    "dash": 0.16,
    "equals": 0.14,
    "stop equals": 0.08,
    "hash": 0.06,
    "frame": 0.05,
    "wave": 0.05,
}
_BEGINNINGS = ("frame", "dash", "dot", "equals")


class Marks:
    """The marks of one line.

    Args:
        shape: Height and width of the line, in pixels.
        height: Height of its digits, in pixels.
        bottom: The row on which the digits stand.
        random: The generator of what is written.
    """

    def __init__(self, shape: tuple[int, ...], height: float, bottom: float, random: np.random.Generator) -> None:
        self._size = shape[1], shape[0]
        self._sheet = Image.new("L", (shape[1] * _ENLARGED, shape[0] * _ENLARGED))
        self._pencil = ImageDraw.Draw(self._sheet)
        self._height, self._bottom, self._random = height, bottom, random
        self._pen = max(1.2, height * random.uniform(0.07, 0.13))

    def draw(self) -> Ink:
        """Return the ink of all marks, float32 `(height, width)` of the line in [0, 1]."""
        return scale_pixels(np.asarray(self._sheet.resize(self._size, Image.Resampling.BOX)))

    def stop(self, left: float) -> float:
        """Write a stop, a comma, a small ring or a short dash; returns the column where the line goes on."""
        random, height = self._random, self._height
        pen = self._pen * random.uniform(0.8, 1.8)
        x, y = left + height * random.uniform(0, 0.15), self._bottom - height * random.uniform(-0.05, 0.18)
        kind = random.choice(["dot", "comma", "ring", "dash"], p=[0.52, 0.36, 0.06, 0.06])
        if kind == "ring":
            radius = height * random.uniform(0.03, 0.09)
            turn = np.linspace(0, random.uniform(5, 7), 10)
            points = [(x + radius * (1 + float(np.cos(t))), y - radius * (1 + float(np.sin(t)))) for t in turn]
            self._line(points)
            return x + 2 * radius + self._pen + height * random.uniform(0, 0.4)
        if kind == "dash":
            length = height * random.uniform(0.08, 0.25)
            self._dash(x, y, length)
            return x + length + height * random.uniform(0, 0.3)
        length = height * (random.uniform(0, 0.08) if kind == "dot" else random.uniform(0.1, 0.5))
        start = y - pen / 2 - length * random.uniform(0, 0.4)
        self._line([(x, start), (x - length * random.uniform(-0.2, 0.6), start + length)], pen)
        return x + pen + height * random.uniform(0, 0.4)

    def begin(self, left: float) -> float:
        """Write a mark before the first digit; returns the column where the line goes on."""
        random, height = self._random, self._height
        kind = random.choice(_BEGINNINGS)
        if kind == "frame":
            self._frame(left)
            return left + random.uniform(2, 8)
        middle = self._bottom - height * random.uniform(0.05, 0.7)
        length = height * (0.05 if kind == "dot" else random.uniform(0.2, 0.6))
        self._dash(left, middle, length)
        if kind == "equals":
            self._dash(left, middle + 0.22 * height, length)
        return left + length + height * random.uniform(0.15, 0.4)

    def end(self, left: float) -> None:
        """Write marks after the last digit."""
        random, height = self._random, self._height
        kind = str(random.choice(list(_ENDS), p=list(_ENDS.values())))
        x, length = left + height * random.uniform(0.05, 0.6), height * random.uniform(0.12, 1.2)
        middle = self._bottom - height * random.uniform(0.2, 0.7)
        if kind.startswith("stop"):
            x = self.stop(x) + height * random.uniform(0, 0.2)
        if kind not in ("stop", "frame", "wave"):
            self._dash(x, middle, length)
        if kind in ("equals", "stop equals", "hash"):
            self._dash(x, middle + height * random.uniform(0.15, 0.3), length * random.uniform(0.6, 1))
        if kind == "hash":
            for at in (x + random.uniform(0.2, 0.45) * length, x + random.uniform(0.55, 0.8) * length):
                reach, lean = height * random.uniform(0.3, 0.6), random.uniform(0, 0.5)
                self._line([(at + lean * reach, middle - reach / 2), (at, middle + reach)])
        if kind == "frame":
            self._frame(x)
        if kind == "wave":
            along = np.linspace(0, length, 12)
            up = middle + height * random.uniform(0.04, 0.12) * np.sin(along / height * random.uniform(6, 12))
            self._line(list(zip((x + along).tolist(), up.tolist(), strict=True)))

    def _dash(self, left: float, row: float, length: float) -> None:
        self._line([(left, row), (left + length, row + self._random.normal(0, 0.08) * length)])

    def _frame(self, left: float) -> None:
        """Draw one side of a printed box."""
        points = [(left, 0.0), (left + self._random.normal(0, 1), float(self._size[1]))]
        self._line(points, self._random.uniform(0.6, 1.8))

    def _line(self, points: list[tuple[float, float]], width: float | None = None) -> None:
        pixels = max(2, round(_ENLARGED * (width or self._pen)))
        self._pencil.line([(_ENLARGED * x, _ENLARGED * y) for x, y in points], MAX_PIXEL, pixels, joint="curve")
