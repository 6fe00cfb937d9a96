"""A sheet of paper that is drawn on with pens, as a camera sees it: turned, and in perspective."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from digits.data.images import MAX_PIXEL
from digits.synthesis.glyphs import list_glyphs, trace

PAGE_SIDE = 256
"""Pixels of a made-up page."""
SCALE = 2
"""Strokes are drawn at this many times the page's size, and then reduced, which softens their edges."""
_SMALLEST_SEEN = 8  # Pixels; nobody reads a lower digit.
Points = NDArray[np.float64]
Segments = NDArray[np.float64]


def _make_canvas() -> Image.Image:
    return Image.new("L", (PAGE_SIDE * SCALE, PAGE_SIDE * SCALE))


@dataclass
class Sheet:
    """What is drawn, in the camera's view.

    Attributes:
        view: float64 `(3, 3)`, the homography from the sheet, in pixels of an upright page, to the picture.
        digits: The ink of the digits, at twice the size of the page.
        marks: All other ink.
        written: For each digit its middle's x and y, its width and height in pixels along the line, and its label.
        taken: Boxes in which there is ink: left, top, right and bottom, on the sheet.
    """

    view: NDArray[np.float64]
    digits: Image.Image = field(default_factory=_make_canvas)
    marks: Image.Image = field(default_factory=_make_canvas)
    written: list[tuple[float, float, float, float, int]] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def project(self, points: Points) -> Points:
        """Return points of the sheet, `(..., 2)`, in pixels of the picture."""
        seen = points @ self.view[:, :2].T + self.view[:, 2]
        projected: Points = seen[..., :2] / seen[..., 2:]
        return projected

    def measure_scale(self, point: Points) -> float:
        """Return how many pixels of the picture a pixel of the sheet takes there."""
        corner = self.project(point + np.array([[0, 0], [1, 0], [0, 1]]))
        return float(np.sqrt(abs(np.linalg.det(corner[1:] - corner[0]))))

    def write(self, segments: Segments, label: int, middle: Points, height: float, pen: float, level: int) -> bool:
        """Write a digit, unless a part of it would lie outside of the picture.

        Args:
            segments: float64 `(n, 2, 2)`, about 1 high, the middle at 0.
            label: The digit.
            middle: On the sheet.
            height: On the sheet, in pixels.
            pen: The pen's width, on the sheet.
            level: The ink, 1-255.
        """
        box = (
            *(middle - height * np.ptp(segments, axis=(0, 1)) / 2),
            *(middle + height * np.ptp(segments, axis=(0, 1)) / 2),
        )
        points = self.project(segments * height + middle)
        if points.min() < -0.04 * PAGE_SIDE or points.max() > 1.04 * PAGE_SIDE:
            return False
        upright = self.project(middle + np.array([[0, -0.5], [0, 0.5]]))
        down = (upright[1] - upright[0]) / np.linalg.norm(upright[1] - upright[0])
        along = np.array([down[1], -down[0]])
        width_seen, height_seen = (float(np.ptp(points @ axis)) + pen for axis in (along, down))
        x, y = (points.max(axis=(0, 1)) + points.min(axis=(0, 1))) / 2
        if not (0 <= x < PAGE_SIDE and 0 <= y < PAGE_SIDE and height_seen >= _SMALLEST_SEEN):
            return False
        self._draw(self.digits, points, pen * self.measure_scale(middle), level)
        self.written.append((float(x), float(y), width_seen, height_seen, label))
        self.taken.append((float(box[0]), float(box[1]), float(box[2]), float(box[3])))
        return True

    def mark(self, points: Sequence[tuple[float, float]] | Points, pen: float, level: int) -> None:
        """Draw a polyline that is no digit, float64 `(n, 2)` on the sheet."""
        line = np.asarray(points, float)
        segments = self.project(np.stack([line[:-1], line[1:]], 1))
        self._draw(self.marks, segments, pen * self.measure_scale(line.mean(axis=0)), level)

    def fill(self, points: Points, level: int) -> None:
        """Fill an outline, float64 `(n, 2)` on the sheet, with ink that is no digit's."""
        seen = self.project(points) * SCALE
        ImageDraw.Draw(self.marks).polygon([(x, y) for x, y in seen.tolist()], fill=level)

    def is_free(self, left: float, top: float, right: float, bottom: float) -> bool:
        """Whether there is no ink in a box of the sheet."""
        return all(right < one[0] or left > one[2] or bottom < one[1] or top > one[3] for one in self.taken)

    def _draw(self, canvas: Image.Image, segments: Segments, pen: float, level: int) -> None:
        draw = ImageDraw.Draw(canvas)
        width = max(round(pen * SCALE), 1)
        for (x0, y0), (x1, y1) in (segments * SCALE).tolist():
            draw.line((x0, y0, x1, y1), fill=level, width=width)
            if width > 3:
                for x, y in ((x0, y0), (x1, y1)):
                    draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=level)


def draw_view(random: np.random.Generator, is_on_desk: bool) -> NDArray[np.float64]:
    """Draw the homography from an upright page to a picture of it: turned, shifted, scaled, in perspective."""
    spread = random.choice([2.0, 6.0, 14.0], p=[0.35, 0.4, 0.25])
    angle = np.deg2rad(np.clip(random.normal(0, spread), -35, 35))
    scale = random.uniform(0.55, 0.95) if is_on_desk else random.uniform(0.9, 1.1)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tilt = random.normal(0, random.choice([0.02, 0.1, 0.25], p=[0.4, 0.4, 0.2]) * (1 if is_on_desk else 0.6), 2)
    half = PAGE_SIDE / 2
    shift = random.normal(0, 0.05, 2) * PAGE_SIDE
    centre, back = np.eye(3), np.eye(3)
    centre[:2, 2], back[:2, 2] = -half, half + shift
    seen = np.eye(3)
    seen[:2, :2], seen[2, :2] = turn, np.clip(tilt, -0.4, 0.4) / half
    view: NDArray[np.float64] = back @ seen @ centre
    return view


def draw_letters(num: int, random: np.random.Generator, kind: str) -> list[Segments]:
    """Draw letters or symbols as a pen writes them; segments float64 `(n, 2, 2)`, about 1 high, the middle at 0."""
    names = list(list_glyphs(kind))
    drawn = []
    for name in random.choice(names, num):
        forms = list_glyphs(kind)[str(name)]
        points, is_down = trace(forms[random.integers(len(forms))], bool(random.random() < 0.5))
        middle = points - (points.max(axis=0) + points.min(axis=0)) / 2
        drawn.append(np.stack([middle[:-1], middle[1:]], 1)[is_down])
    return drawn


def to_level(share: float) -> int:
    """Return ink in [0, 1] as a level 1-255."""
    return max(round(share * MAX_PIXEL), 1)
