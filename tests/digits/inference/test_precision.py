from pathlib import Path

import pytest

from digits.errors import ConfigurationError
from digits.inference import precision
from digits.inference.artifact import read_artifact
from digits.inference.precision import choose_precision, has_int8_arithmetic, read_precision
from tests.conftest import ROOT
from tests.wordings import wording

SHIPPED = ROOT / "models" / "digits.h5"
AVX2 = "flags\t\t: fpu sse4_2 avx avx2 bmi2\n"


@pytest.mark.parametrize(
    ("listed", "has_it"),
    [
        (AVX2, False),
        ("flags\t\t: fpu avx2 avx_vnni fsrm\n", True),
        ("flags\t\t: fpu avx512f avx512_vnni\n", True),
        ("Features\t: fp asimd asimddp\n", True),
        ("Features\t: fp asimd evtstrm crc32\n", False),
        (None, False),
    ],
)
def test_has_int8_arithmetic_by_the_processors_flags(
    listed: str | None, has_it: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpuinfo"
    if listed is not None:
        path.write_text(f"processor\t: 0\n{listed}")
    monkeypatch.setattr(precision, "_PROCESSOR", path)
    assert has_int8_arithmetic.__wrapped__() is has_it


@pytest.mark.parametrize(
    ("wanted", "is_made_for_it", "served"),
    [
        ("auto", True, "int8"),
        ("auto", False, "fp32"),
        ("int8", False, "int8"),
        ("fp32", True, "fp32"),
        ("", True, "int8"),
    ],
)
def test_choose_precision_by_the_environment_and_the_processor(
    wanted: str, is_made_for_it: bool, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGITS_PRECISION", wanted)
    monkeypatch.setattr(precision, "has_int8_arithmetic", lambda: is_made_for_it)
    assert choose_precision(read_artifact(SHIPPED), None) == served


def test_choose_precision_of_a_file_without_a_graph_for_int8(shared_artifact: Path) -> None:
    assert choose_precision(read_artifact(shared_artifact), "int8") == "fp32"


def test_read_precision_refuses_another_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITS_PRECISION", "int4")
    with pytest.raises(ConfigurationError, match=wording("precision_unknown", received="'int4'")):
        read_precision()
