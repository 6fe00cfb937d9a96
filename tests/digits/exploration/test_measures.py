import numpy as np
import pytest
from numpy.typing import NDArray

from digits.data.dataset import LabelledImages
from digits.data.images import draw_one
from digits.exploration.measures import find_nearest, measure_occlusion, measure_slant


def draw_stroke(columns_per_row: float) -> NDArray[np.uint8]:
    image = np.zeros((28, 28), np.uint8)
    for row in range(4, 24):
        image[row, round(14 + (13.5 - row) * columns_per_row)] = 255
    return image


@pytest.mark.parametrize(("columns_per_row", "degrees"), [(0.0, 0.0), (0.5, 26.6), (-0.5, -26.6)])
def test_measure_slant_of_a_stroke(columns_per_row: float, degrees: float) -> None:
    assert measure_slant(draw_stroke(columns_per_row)[np.newaxis])[0] == pytest.approx(degrees, abs=1.0)


def test_find_nearest_finds_a_copy_at_distance_zero(small_digits: LabelledImages) -> None:
    nearest, distance = find_nearest(small_digits.images[[7, 3]], small_digits.images)
    assert nearest.tolist() == [7, 3]
    assert distance.tolist() == [0, 0]


def test_find_nearest_distance_is_the_root_mean_square_of_a_pixel() -> None:
    blank, grey = np.zeros((1, 28, 28), np.uint8), np.full((1, 28, 28), 10, np.uint8)
    assert find_nearest(blank, grey)[1][0] == pytest.approx(10)


def test_measure_occlusion_marks_the_ink_that_the_answer_rests_on() -> None:
    def predict(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sure of a 1 as far as one pixel is ink, and of everything else alike."""
        probabilities = np.full((len(batch), 10), 0.05, np.float32)
        probabilities[:, 1] = 0.1 + 0.4 * batch[:, 10, 13, 0]
        return probabilities

    lost = measure_occlusion(predict, draw_one(), 1, patch=5)
    covered = np.zeros((28, 28), bool)
    covered[8:13, 11:16] = True
    assert lost[covered] == pytest.approx(np.log(5), abs=1e-5)
    assert lost[~covered] == pytest.approx(0, abs=1e-6)
