import numpy as np
import pytest

from digits.data.images import MAX_PIXEL, NUM_PIXELS, draw_one, make_batch
from digits.errors import PixelError
from tests.wordings import wording


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 28, 28), (2, 784)])
def test_make_batch_scales_any_number_type_and_layout(shape: tuple[int, ...], dtype: type) -> None:
    images = (np.arange(2 * NUM_PIXELS) % (MAX_PIXEL + 1)).astype(dtype).reshape(shape)
    batch = make_batch(images)
    assert (batch.shape, batch.dtype) == ((2, 28, 28, 1), np.float32)
    assert (batch.min(), batch.max()) == (0, 1)
    np.testing.assert_allclose(batch.ravel(), images.ravel() / MAX_PIXEL, rtol=1e-6)


def test_make_batch_leaves_its_input_alone() -> None:
    images = draw_one()[np.newaxis].astype(np.float32)
    make_batch(images)
    np.testing.assert_array_equal(images[0], draw_one())


@pytest.mark.parametrize("shape", [(784,), (28, 28), (2, 27, 28), (2, 28, 28, 1), (2, 783), (0,)])
def test_make_batch_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PixelError, match=wording("images_shape", shape=shape)) as caught:
        make_batch(np.zeros(shape, np.uint8))
    assert caught.value.code == "wrong_shape"


def test_draw_one_is_an_upright_stroke_with_a_margin() -> None:
    image = draw_one()
    rows, columns = np.nonzero(image)
    assert (image.shape, image.dtype, image.max()) == ((28, 28), np.uint8, MAX_PIXEL)
    assert np.ptp(rows) > 3 * np.ptp(columns)
    assert min(rows.min(), columns.min(), 27 - rows.max(), 27 - columns.max()) >= 4
