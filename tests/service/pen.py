"""How a hand writes the ten digits: strokes as points in the unit square, x to the right and y down."""

from collections.abc import Iterator
from math import cos, radians, sin

from playwright.sync_api import Page

Point = tuple[float, float]
Stroke = list[Point]


def bend(x: float, y: float, width: float, height: float, start: float, end: float) -> Stroke:
    """Return points on an ellipse round (x, y), from one angle to another; 0 is right, 90 is down."""
    angles = [radians(start + (end - start) * step / 24) for step in range(25)]
    return [(x + width / 2 * cos(angle), y + height / 2 * sin(angle)) for angle in angles]


STROKES: dict[int, list[Stroke]] = {
    0: [bend(0.5, 0.5, 0.46, 0.74, -80, 285)],
    1: [[(0.53, 0.14), (0.51, 0.4), (0.49, 0.64), (0.47, 0.87)]],
    2: [[*bend(0.49, 0.32, 0.42, 0.36, 190, 390), (0.55, 0.56), (0.31, 0.84), (0.5, 0.83), (0.75, 0.85)]],
    3: [[*bend(0.47, 0.32, 0.38, 0.36, 205, 440), *bend(0.47, 0.66, 0.46, 0.38, 275, 515)]],
    4: [
        [(0.38, 0.15), (0.32, 0.35), (0.25, 0.56), (0.5, 0.56), (0.78, 0.53)],
        [(0.64, 0.17), (0.62, 0.5), (0.6, 0.88)],
    ],
    5: [
        [(0.4, 0.16), (0.35, 0.44), *bend(0.46, 0.63, 0.48, 0.44, 245, 500)],
        [(0.4, 0.16), (0.56, 0.15), (0.74, 0.14)],
    ],
    6: [[(0.62, 0.13), (0.44, 0.3), (0.32, 0.52), *bend(0.48, 0.67, 0.38, 0.38, 190, -175)]],
    7: [[(0.26, 0.18), (0.5, 0.19), (0.74, 0.17), (0.64, 0.38), (0.53, 0.62), (0.45, 0.88)]],
    8: [
        [
            *bend(0.5, 0.31, 0.34, 0.34, -45, -270),
            *bend(0.5, 0.67, 0.42, 0.38, -90, 270),
            *bend(0.5, 0.31, 0.34, 0.34, 90, -45),
        ]
    ],
    9: [[*bend(0.48, 0.34, 0.38, 0.36, -20, -340), (0.67, 0.26), (0.65, 0.5), (0.6, 0.7), (0.55, 0.88)]],
}


def write(page: Page, digit: int, left: float = 0, width: float = 1, height: float = 1) -> None:
    """Write a digit with the mouse into a part of the sheet, given in shares of it, half-way between top and bottom."""
    for stroke in STROKES[digit]:
        draw(page, [(left + x * width, 0.5 + (y - 0.5) * height) for x, y in stroke])


def draw(page: Page, stroke: Stroke) -> None:
    """Draw one stroke with the mouse."""
    points = list(_place(page, stroke))
    page.mouse.move(*points[0])
    page.mouse.down()
    for x, y in points[1:]:
        page.mouse.move(x, y, steps=2)
    page.mouse.up()


def _place(page: Page, stroke: Stroke) -> Iterator[Point]:
    box = page.locator("#ink").bounding_box()
    assert box is not None
    for x, y in stroke:
        yield box["x"] + x * box["width"], box["y"] + y * box["height"]
