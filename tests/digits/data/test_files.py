from pathlib import Path

import pytest

from digits.data.files import replace_file


def test_replace_file_whose_block_ends_holds_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("earlier")
    with replace_file(path) as unfinished:
        unfinished.write_text("later")
        assert path.read_text() == "earlier"
    assert path.read_text() == "later"
    assert list(tmp_path.iterdir()) == [path]


def test_replace_file_whose_block_fails_leaves_the_earlier_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("earlier")

    def write_half() -> None:
        with replace_file(path) as unfinished:
            unfinished.write_text("half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_half()
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]
