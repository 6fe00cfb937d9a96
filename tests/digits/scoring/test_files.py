"""IDX, tar archives, folders and places."""

import gzip
import io
import struct
import tarfile
from pathlib import Path

import fsspec
import numpy as np
import pytest

from digits.errors import ScoringError
from digits.scoring.archive import read_archive
from digits.scoring.idx import cut_idx
from digits.scoring.pieces import Fault
from digits.scoring.sources import cut, list_sources, summarise_input
from digits.scoring.storage import list_files, locate, split_glob

NOWHERE = locate("memory://nowhere")
IMAGES = np.arange(5 * 784, dtype=np.uint32).reshape(5, 784).astype(np.uint8)
IDX = struct.pack(">4I", 0x803, 5, 28, 28) + IMAGES.tobytes()


def make_archive(members: dict[str, bytes], form: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def test_cut_idx_gives_the_images_in_order() -> None:
    shares = list(cut_idx(io.BytesIO(IDX), 2))
    assert [len(share) for share in shares] == [2, 2, 1]
    assert (np.concatenate(shares) == IMAGES).all()


def test_cut_idx_that_ends_early_gives_what_is_whole_first() -> None:
    shares = cut_idx(io.BytesIO(IDX[:-1]), 10)
    assert len(next(shares)) == 4
    with pytest.raises(ScoringError, match="Received 4 whole images, expected 5"):
        next(shares)


@pytest.mark.parametrize("content", [b"", IDX[:10], struct.pack(">2I", 0x801, 5), struct.pack(">4I", 0x803, 5, 32, 32)])
def test_cut_idx_of_another_file_says_what_was_expected(content: bytes) -> None:
    with pytest.raises(ScoringError, match="expected 00000803"):
        list(cut_idx(io.BytesIO(content), 2))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_read_archive_gives_the_pictures_and_passes_over_the_rest(form: int) -> None:
    members = {"0001.png": b"one", "0001.cls": b"7", "0002.JPG": bytes(1000), f"{'deep/' * 18}ü0003.png": b"three"}
    assert list(read_archive(io.BytesIO(make_archive(members, form)))) == [
        (name, content) for name, content in members.items() if name != "0001.cls"
    ]


def test_read_archive_long_name_without_end_is_refused_before_it_is_read() -> None:
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 2**33
    with pytest.raises(ScoringError, match="a member of 8,589,934,592 bytes, expected at most 65,536"):
        list(read_archive(io.BytesIO(header.tobuf(tarfile.GNU_FORMAT))))


def test_read_archive_picture_too_large_is_a_fault_and_the_rest_is_read() -> None:
    members = {"a.png": bytes(64 * 2**20 + 1), "b.png": b"b"}
    fault, picture = read_archive(io.BytesIO(make_archive(members, tarfile.GNU_FORMAT)))
    assert isinstance(fault, Fault)
    assert (fault.id, fault.code) == ("a.png", "file_too_large")
    assert picture == ("b.png", b"b")


@pytest.mark.parametrize(
    "content", [b"PK" + bytes(600), make_archive({"a.png": bytes(2000)}, tarfile.GNU_FORMAT)[:1500]]
)
def test_read_archive_of_other_bytes_or_cut_off_is_refused(content: bytes) -> None:
    with pytest.raises(ScoringError, match="expected"):
        list(read_archive(io.BytesIO(content)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.png",
        "a/2.png",
        "a/1.jpg",
        "a/notes.txt",
        ".hidden.png",
        "a/_3.png",
        "scores/part-0.parquet",
        "x.csv",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", ["a/1.jpg", "a/2.png", "a/_3.png", "a/notes.txt", "b.png", "x.csv"]),
        ("/**/*.png", ["a/2.png", "a/_3.png", "b.png"]),
        ("/*.png", ["b.png"]),
        ("/a/?.*", ["1.jpg", "2.png"]),
        ("/b.png", ["b.png"]),
    ],
)
def test_list_files_of_a_folder_a_glob_and_a_file(folder: Path, url: str, expected: list[str]) -> None:
    assert [file.name for file in list_files(f"{folder}{url}", locate(str(folder / "scores")))] == expected


def test_list_files_that_are_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="absent: no such file or folder"):
        list(list_files(str(tmp_path / "absent"), NOWHERE))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://bucket/rows?region=eu-west-1", ("s3://bucket/rows?region=eu-west-1", None)),
        ("s3://bucket/a/*/b.png", ("s3://bucket/a/", "*/b.png")),
        ("*.png", (".", "*.png")),
        ("/*.png", ("/", "*.png")),
    ],
)
def test_split_glob_parts_at_the_first_wildcard(url: str, expected: tuple[str, str | None]) -> None:
    assert split_glob(url) == expected


def test_summarise_input_counts_and_tells_a_changed_file(folder: Path) -> None:
    output = locate(str(folder / "scores"))
    first = summarise_input(str(folder), output, "predict")
    assert (first.num_files, first.num_ignored, first.is_one_file, first.has_numbers) == (5, 1, False, False)
    (folder / "b.png").write_bytes(b"xy")
    assert summarise_input(str(folder), output, "predict").sha256 != first.sha256


def test_summarise_input_rows_cannot_be_read_as_numbers(folder: Path) -> None:
    with pytest.raises(ScoringError, match=r"x\.csv: received rows of 28x28 pixels with TASK=read"):
        summarise_input(str(folder / "x.csv"), NOWHERE, "read")


def test_summarise_input_without_a_file_to_read_names_the_endings(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ScoringError, match=r"received 1 other files, expected at least one that ends in \.parquet"):
        summarise_input(str(tmp_path), NOWHERE, "predict")


def test_cut_in_memory_is_cut_on_disk(tmp_path: Path) -> None:
    packed = gzip.compress(IDX)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(packed)
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/cut/t10k-images-idx3-ubyte.gz", packed)
    pieces = []
    for url in (str(tmp_path), "memory://cut"):
        (source,) = list_sources(url, NOWHERE, is_one_file=False)
        pieces.append([(piece.part, piece.read().ids, piece.read().images.tolist()) for piece in cut(source, 3)])
    memory.rm("/cut", recursive=True)
    assert pieces[0] == pieces[1]
    assert [part for part, *_ in pieces[0]] == ["part-000000-000000", "part-000000-000001"]
    assert pieces[0][1][1] == ["t10k-images-idx3-ubyte.gz:4", "t10k-images-idx3-ubyte.gz:5"]


def test_cut_archive_that_ends_early_gives_its_whole_pictures_and_a_fault(tmp_path: Path) -> None:
    members = {f"{name}.png": bytes(1000) for name in "abc"}
    (tmp_path / "a.tar").write_bytes(make_archive(members, tarfile.GNU_FORMAT)[: 3 * 1536 - 512])
    (source,) = list_sources(str(tmp_path / "a.tar"), NOWHERE, is_one_file=True)
    pictures, broken = (piece.read() for piece in cut(source, 10))
    assert pictures.ids == ["a.png", "b.png"]
    assert [(fault.id, fault.code) for fault in broken.faults] == [("a.tar", "invalid_file")]
