from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import optuna
import pytest

from digits.data.dataset import LabelledImages
from digits.errors import ConfigurationError
from digits.exploration.short_training import ShortRun, predict_probabilities, scale_distortion, train_briefly
from digits.training.augmentation import Distortion
from tests.wordings import wording

RUN = ShortRun(epochs=10, learning_rate=0.01, num_points=4, batch_size=50)


def build() -> keras.Model:
    keras.utils.clear_session()  # So that its layers have the same names each time.
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.layers.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])


def test_train_briefly_learns_and_notes_each_point(small_digits: LabelledImages) -> None:
    told = []
    curve = train_briefly(build(), small_digits, small_digits, RUN, lambda point, error: told.append((point, error)))
    assert curve.digits_seen == [500, 1000, 1500, 2000]
    assert curve.loss[-1] < curve.loss[0]
    assert curve.held_out_error[-1] < 0.2
    assert told == list(enumerate(curve.held_out_error))


def test_train_briefly_ends_with_what_is_raised_at_a_point(small_digits: LabelledImages) -> None:
    def stop(point: int, error: float) -> None:
        raise optuna.TrialPruned

    with pytest.raises(optuna.TrialPruned):
        train_briefly(build(), small_digits, small_digits, RUN, stop)


def test_train_briefly_takes_what_is_kept_of_the_same_run(small_digits: LabelledImages, tmp_path: Path) -> None:
    keep = tmp_path / "folder" / "linear.weights.h5"
    first, again = build(), build()
    curve = train_briefly(first, small_digits, small_digits, RUN, keep=keep)
    written = keep.read_bytes()
    assert train_briefly(again, small_digits, small_digits, RUN, keep=keep) == curve
    assert keep.read_bytes() == written
    assert np.array_equal(first.get_weights()[0], again.get_weights()[0])


def test_train_briefly_trains_anew_where_another_run_or_nothing_whole_is_kept(
    small_digits: LabelledImages, tmp_path: Path
) -> None:
    keep = tmp_path / "linear.weights.h5"
    keep.write_bytes(b"torn")
    train_briefly(build(), small_digits, small_digits, RUN, keep=keep)
    longer = replace(RUN, epochs=20)
    assert train_briefly(build(), small_digits, small_digits, longer, keep=keep).digits_seen[-1] == 4000


def test_train_briefly_too_few_digits_says_how_many(small_digits: LabelledImages) -> None:
    with pytest.raises(ConfigurationError, match=wording("points_too_many", num=200, points=4, batch_size=150)):
        train_briefly(build(), small_digits, small_digits, replace(RUN, epochs=1, batch_size=150))


def test_scale_distortion_scales_limits_and_leaves_counts() -> None:
    assert scale_distortion(Distortion(rotation_degrees=8.0, elastic_grid=5), 0.5).rotation_degrees == 4.0
    assert scale_distortion(Distortion(elastic_grid=5), 0.0).elastic_grid == 5


def test_predict_probabilities_rows_sum_to_one(small_digits: LabelledImages) -> None:
    probabilities = predict_probabilities(build(), small_digits.images)
    assert probabilities.shape == (200, 10)
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
