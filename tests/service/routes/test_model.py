import hashlib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from digits.inference.precision import has_int8_arithmetic
from tests.service.server import ROOT, Server, copy_model, serve

MODEL = ROOT / "models" / "digits.h5"
NEEDS_INT8 = pytest.mark.skipif(not has_int8_arithmetic(), reason="this processor saturates")


def test_model_is_named_as_in_its_predictions(server: Server) -> None:
    answer = server.request("GET", "/model")
    assert answer.status == 200
    assert list(answer.json) == ["model", "sha256", "precision", "provenance", "accuracy", "lines", "pages"]
    assert answer.json["model"] == server.request("GET", "/readyz").json["model"]


def test_model_tells_the_hash_of_the_file(server: Server) -> None:
    sha256 = hashlib.sha256(MODEL.read_bytes()).hexdigest()
    assert server.request("GET", "/model").json["sha256"] == sha256


def test_model_tells_what_the_file_tells(server: Server) -> None:
    info = server.request("GET", "/model").json
    assert {"config", "data", "metrics", "packages"} <= set(info["provenance"])
    assert info["accuracy"] == info["provenance"]["metrics"]["accuracy"]
    assert len(info["provenance"]["data"]["sha256"]) == 64


def test_model_tells_of_the_one_that_reads_lines(server: Server) -> None:
    lines = server.request("GET", "/model").json["lines"]
    assert lines["sha256"] == hashlib.sha256((ROOT / "models" / "lines.h5").read_bytes()).hexdigest()
    assert lines["model"] == lines["sha256"][:12]
    pages = server.request("GET", "/model").json["pages"]
    assert pages["sha256"] == hashlib.sha256((ROOT / "models" / "pages.h5").read_bytes()).hexdigest()
    assert "lines_read" in lines["provenance"]


def test_model_without_provenance_tells_none(tmp_path: Path) -> None:
    path = copy_model(tmp_path / "digits.h5", {})
    with serve(tmp_path, DIGITS_MODEL_PATH=str(path)) as server:
        info = server.request("GET", "/model").json
        assert (info["accuracy"], info["provenance"]) == (None, {})


def test_openapi_model_answer_matches_its_schema(server: Server) -> None:
    openapi = server.request("GET", "/openapi.json").json
    schema = {"$ref": "#/components/schemas/ModelInfo", "components": openapi["components"]}
    Draft202012Validator(schema).validate(server.request("GET", "/model").json)


@pytest.mark.parametrize(
    "precision",
    [
        pytest.param("int8", marks=NEEDS_INT8),
        "fp32",
    ],
)
def test_model_tells_which_graphs_answer(tmp_path: Path, precision: str) -> None:
    with serve(tmp_path, DIGITS_PRECISION=precision) as server:
        info = server.request("GET", "/model").json
        assert (info["precision"], info["lines"]["precision"]) == (precision, precision)
        row = {f"pixel{index}": 0 for index in range(784)}
        assert server.post(row).status == 200
