"""Draw strokes as a pen does, in MNIST's form, many images at once.

The ink is fitted to a box of 20x20 and its centre of mass goes to the image's centre, as
`digits.preprocessing.digit_image` does with drawings. Here the points are scaled before they are drawn, which takes a
thousandth of the time of drawing large images and shrinking them.
"""

import numpy as np
from numpy.typing import NDArray

from digits.data.images import MAX_PIXEL, SIZE

BOX = 20
"""Side of the ink's box, in pixels."""
_IMAGES_AT_ONCE = 200


def bend(points: NDArray[np.float32], random: np.random.Generator, strength: float = 1.0) -> NDArray[np.float32]:
    """Change the strokes of each sheet as another person would write them: in slant, in proportions, in waves.

    Args:
        points: float32 `(n, m, 2)`, x to the right and y down, in about 0-1.
        random: The generator.
        strength: Scales every change.

    Returns:
        float32 `(n, m, 2)`, the middle of the sheet at 0.
    """
    num, num_points = points.shape[:2]
    x, y = points[..., 0] - 0.5, points[..., 1] - 0.5
    along = np.linspace(0, 1, num_points, dtype=np.float32)[None, :]

    def draw(scale: float) -> NDArray[np.float32]:
        return random.normal(0, scale * strength, (num, 1)).astype(np.float32)

    def draw_wave(scale: float) -> NDArray[np.float32]:
        """Return displacements float32 `(n, m)`: one wave over the sheet, and one along the stroke."""
        over_sheet = np.sin(draw(4) * x + draw(4) * y + draw(3)) * draw(scale)
        over_stroke = np.sin(np.abs(draw(6)) * along + draw(3)) * draw(scale)
        wave: NDArray[np.float32] = over_sheet + over_stroke
        return wave

    x, y = x + draw_wave(0.05) + draw_wave(0.03), y + draw_wave(0.05) + draw_wave(0.03)
    x = (x + draw(0.2) * y) * np.exp(draw(0.2))
    angle = draw(0.12)
    turned = [np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y]
    return np.stack(turned, -1).astype(np.float32)


def draw_strokes(
    points: NDArray[np.float32], is_down: NDArray[np.bool_], widths: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Draw strokes as MNIST shows digits.

    Args:
        points: float32 `(n, m, 2)`, x to the right and y down, in any unit.
        is_down: bool `(n, m - 1)`, whether the pen is on the paper between one point and the next.
        widths: float64 `(n,)`, the width of each sheet's pen in pixels of the result.

    Returns:
        uint8 `(n, 28, 28)`.
    """
    images = np.zeros((len(points), SIZE, SIZE), np.uint8)
    radii = (widths / 2).astype(np.float32)[:, None, None]
    scaled = fit_points(points, radii)
    for start in range(0, len(points), _IMAGES_AT_ONCE):
        part = slice(start, start + _IMAGES_AT_ONCE)
        images[part] = centre_ink(draw_lines(scaled[part], is_down[part], radii[part]))
    return images


def fit_points(points: NDArray[np.float32], radii: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move and scale points so that what a pen draws there fills the box.

    Args:
        points: float32 `(n, m, 2)`, x to the right and y down, in any unit.
        radii: float32 `(n, 1, 1)`, half the width of each sheet's pen in pixels of the box.

    Returns:
        float32 `(n, m, 2)`, in pixels of the box.
    """
    lowest, highest = points.min(axis=1, keepdims=True), points.max(axis=1, keepdims=True)
    extent = np.maximum((highest - lowest).max(axis=2, keepdims=True), 1e-6)
    scaled: NDArray[np.float32] = (points - (lowest + highest) / 2) * (BOX - 2 * radii) / extent + BOX / 2
    return scaled


def draw_lines(
    points: NDArray[np.floating], is_down: NDArray[np.bool_], radii: NDArray[np.floating], side: int = BOX
) -> NDArray[np.floating]:
    """Draw polylines with round ends and soft edges.

    Args:
        points: `(n, m, 2)`, x and y in pixels; the first pixel's centre is at 0.5.
        is_down: bool `(n, m - 1)`, whether a line leads from one point to the next.
        radii: `(n, 1, 1)`, half the width of each pen in pixels.
        side: Height and width of the images.

    Returns:
        Ink `(n, side, side)` in [0, 1], of the points' type, the more the nearer a pixel is to the nearest line.
    """
    centres = np.arange(side, dtype=points.dtype) + points.dtype.type(0.5)
    start, line = points[:, :-1], np.diff(points, axis=1)
    from_x = centres[None, None, :] - start[..., 0, None]
    from_y = centres[None, None, :] - start[..., 1, None]
    length = np.maximum((line**2).sum(axis=2), points.dtype.type(1e-9))
    part_x, part_y = (from_xy * (line[..., axis] / length)[..., None] for axis, from_xy in enumerate((from_x, from_y)))
    share = np.clip(part_y[:, :, :, None] + part_x[:, :, None, :], 0, 1)
    gap_x = from_x[:, :, None, :] - share * line[..., 0, None, None]
    gap_y = from_y[:, :, :, None] - share * line[..., 1, None, None]
    distance = gap_x**2 + gap_y**2
    distance[~is_down] = np.inf
    ink: NDArray[np.floating] = np.clip(radii + 0.5 - np.sqrt(distance.min(axis=1)), 0, 1)
    return ink


def draw_dots(points: NDArray[np.float32], radii: NDArray[np.float32]) -> NDArray[np.float32]:
    """Draw round dots with soft edges; dots that lie close make a line, much faster than `draw_lines` draws it.

    Args:
        points: float32 `(n, m, 2)`, x and y in pixels of the box; the first pixel's centre is at 0.5.
        radii: float32 `(n, 1, 1)`, in pixels.

    Returns:
        Ink, float32 `(n, 20, 20)` in [0, 1].
    """
    centres = np.arange(BOX, dtype=np.float32) + np.float32(0.5)
    across, down = ((centres - points[..., axis, None]) ** 2 for axis in (0, 1))
    distance = (down[:, :, :, None] + across[:, :, None, :]).min(axis=1)
    ink: NDArray[np.float32] = np.clip(radii + np.float32(0.5) - np.sqrt(distance), 0, 1)
    return ink


def centre_ink(ink: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Put the centre of mass in the centre of 28x28 pixels.

    Args:
        ink: `(n, height, width)` in [0, 1]; height and width are at most 28.

    Returns:
        uint8 `(n, 28, 28)`.
    """
    num, height, width = ink.shape
    mass = np.maximum(ink.sum(axis=(1, 2)), 1e-6)
    row = (ink.sum(axis=2) @ np.arange(height)) / mass
    column = (ink.sum(axis=1) @ np.arange(width)) / mass
    top = np.clip(np.rint(SIZE / 2 - row), 0, SIZE - height).astype(int)
    left = np.clip(np.rint(SIZE / 2 - column), 0, SIZE - width).astype(int)
    images = np.zeros((num, SIZE, SIZE), np.uint8)
    rows, columns = top[:, None] + np.arange(height), left[:, None] + np.arange(width)
    images[np.arange(num)[:, None, None], rows[:, :, None], columns[:, None, :]] = np.rint(ink * MAX_PIXEL)
    return images
