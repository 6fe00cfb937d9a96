"""Digits from CSVs and from folders of people's own pictures: none is lost without a word."""

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digits.data.dataset import LabelledImages
from digits.errors import DatasetError
from digits.preprocessing.digit_image import normalise_drawing
from digits.training.own_digits import hold_out_of_each, join, read_digits, repeat_to_share, split_paths
from tests.wordings import wording


def write_folder(folder: Path, digits: LabelledImages, num: int, side: int = 90) -> Path:
    """Write the first digits as dark pictures on light paper into folders 0 to 9."""
    for index, (image, label) in enumerate(zip(digits.images[:num], digits.labels[:num].tolist(), strict=True)):
        path = folder / str(label) / f"{index:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 - image).resize((side, side)).save(path)
    return folder


def test_read_digits_of_a_folder_sees_what_predict_image_sees(tmp_path: Path, small_digits: LabelledImages) -> None:
    folder = write_folder(tmp_path / "own", small_digits, 30)
    read = read_digits(folder)
    assert (
        np.bincount(read.labels, minlength=10).tolist() == np.bincount(small_digits.labels[:30], minlength=10).tolist()
    )
    first = min((folder / "0").iterdir())
    assert (read.images[0] == normalise_drawing(np.asarray(Image.open(first)))).all()
    assert read.images.dtype == np.uint8
    assert read.images.shape == (30, 28, 28)


def test_read_digits_of_a_folder_is_the_same_wherever_it_lies(tmp_path: Path, small_digits: LabelledImages) -> None:
    one, two = (read_digits(write_folder(tmp_path / name, small_digits, 12)) for name in ("one", "two"))
    assert one.sha256 == two.sha256
    assert one.sha256 != read_digits(write_folder(tmp_path / "two", small_digits, 13)).sha256


def test_read_digits_names_and_counts_what_is_no_digit(
    tmp_path: Path, small_digits: LabelledImages, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(tmp_path / "own", small_digits, 20)
    (folder / "3").mkdir(exist_ok=True)
    (folder / "3" / "notes.txt").write_text("not a picture")
    (folder / "README.md").write_text("about")
    (folder / "ten").mkdir()
    blank = BytesIO()
    Image.new("L", (60, 60), 255).save(blank, "PNG")
    (folder / "ten" / "10.png").write_bytes(blank.getvalue())
    (folder / "4" / "blank.png").write_bytes(blank.getvalue())
    (folder / "4" / ".hidden").write_text("of the file manager")
    assert len(read_digits(folder)) == 20
    said = capsys.readouterr().err
    assert f"{folder}: 20 pictures were read, 4 files were not." in said
    assert re.search(f"{folder / '3/notes.txt'}: {wording('picture_unknown')}", said, re.MULTILINE)
    assert f"{folder / '4/blank.png'}: no ink was found" in said
    assert f"{folder / 'README.md'}: not in a folder 0 to 9" in said
    assert f"{folder / 'ten/10.png'}: not in a folder 0 to 9" in said


def test_read_digits_counts_what_it_does_not_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "7").mkdir()
    for index in range(25):
        (tmp_path / "7" / f"{index}.jpg").write_text("broken")
    with pytest.raises(DatasetError, match=wording("folder_without_pictures", folder=tmp_path, num=25)):
        read_digits(tmp_path)
    assert "  and 5 more" in capsys.readouterr().err


def test_read_digits_of_an_empty_folder_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=wording("folder_without_pictures", num=0)):
        read_digits(tmp_path)


def test_hold_out_of_each_takes_the_same_share_of_each_label(small_digits: LabelledImages) -> None:
    kept, held_out = hold_out_of_each(small_digits, 0.2)
    counts = np.bincount(small_digits.labels, minlength=10)
    assert np.bincount(held_out.labels, minlength=10).tolist() == [round(0.2 * num) for num in counts.tolist()]
    assert len(kept) + len(held_out) == len(small_digits)
    together = {image.tobytes() for image in np.concatenate([kept.images, held_out.images])}
    assert together == {image.tobytes() for image in small_digits.images}


def test_hold_out_of_each_trains_on_a_digit_that_stands_alone(small_digits: LabelledImages) -> None:
    kept, held_out = hold_out_of_each(small_digits.take(slice(1)), 0.2)
    assert (len(kept), len(held_out)) == (1, 0)


def test_join_keeps_every_digit_in_order(small_digits: LabelledImages) -> None:
    one, two = small_digits.take(slice(5)), small_digits.take(slice(5, 9))
    assert join([one]) is one
    both = join([one, two])
    assert (both.images == small_digits.images[:9]).all()
    assert both.sha256 != join([two, one]).sha256 or one.sha256 == two.sha256


@pytest.mark.parametrize(("num_own", "num_others", "expected"), [(10, 160, 40), (10, 0, 10), (50, 20, 50)])
def test_repeat_to_share_repeats_few_digits(
    small_digits: LabelledImages, num_own: int, num_others: int, expected: int
) -> None:
    assert len(repeat_to_share(small_digits.take(slice(num_own)), num_others, 0.2)) == expected


def test_split_paths_splits_what_make_gives_as_one_word(tmp_path: Path) -> None:
    spaced = tmp_path / "my digits.csv"
    spaced.write_text("")
    assert split_paths([str(spaced)]) == [spaced]
    assert split_paths(["data/train.csv.gz my_digits/"]) == [Path("data/train.csv.gz"), Path("my_digits")]
    assert split_paths(["a.csv", "'my own' b"]) == [Path("a.csv"), Path("my own"), Path("b")]
