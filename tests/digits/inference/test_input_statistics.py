"""Ink and its centre, of images for which they are known."""

import numpy as np

from digits.inference.input_statistics import measure_ink, measure_moments


def test_measure_ink_of_a_single_pixel_tells_how_much_and_where():
    images = np.zeros((1, 28, 28), np.uint8)
    images[0, 3, 20] = 196
    mean_ink, rows, columns = measure_ink(measure_moments(images.reshape(1, -1)))
    assert (mean_ink.tolist(), rows.tolist(), columns.tolist()) == ([0.25], [3], [20])


def test_measure_ink_of_a_blank_image_has_no_centre():
    images = np.zeros((2, 784), np.float32)
    images[1] = 255
    mean_ink, rows, columns = measure_ink(measure_moments(images))
    assert mean_ink.tolist() == [0, 255]
    np.testing.assert_allclose([rows, columns], [[13.5], [13.5]])
