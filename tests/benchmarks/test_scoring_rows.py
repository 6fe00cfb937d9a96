"""The digits that bulk scoring is measured on."""

from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from benchmarks.scoring.make_rows import generate_tables, write_csv, write_parquet, write_pictures
from digits.data.dataset import read_images
from digits.data.image_file import decode_picture
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_generate_tables_repeats_the_test_digits_shifted() -> None:
    pixels = np.concatenate(list(generate_tables(20_001)))
    digits = read_images(ROOT / "data/test.csv.gz").reshape(-1, 784)
    assert (pixels[:10_000] == digits).all()
    moved = pixels[10_000:20_000].reshape(-1, 28, 28)
    assert (np.roll(moved, 1, axis=1).reshape(-1, 784) == digits).all()


def test_every_form_holds_the_same_digits(tmp_path: Path) -> None:
    (expected,) = generate_tables(20)
    write_parquet(tmp_path / "rows.parquet", 20)
    write_csv(tmp_path / "rows.csv", 20)
    write_pictures(tmp_path / "pictures", 20)
    rows = pyarrow.parquet.read_table(tmp_path / "rows.parquet")["pixels"].to_pylist()
    assert (np.array(rows) == expected).all()
    assert (read_images(tmp_path / "rows.csv").reshape(-1, 784) == expected).all()
    pictures = sorted((tmp_path / "pictures").iterdir())
    assert [decode_picture(path.read_bytes()).luminance.shape for path in pictures] == [(112, 112)] * 20
