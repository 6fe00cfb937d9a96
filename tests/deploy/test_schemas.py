"""eksctl's files by a schema that every clone has, and by eksctl's own where that lies beside the clone."""

import json
from typing import Any

import jsonschema
import pytest

from tests.deploy.manifests import ROOT, read_objects

OWN = json.loads((ROOT / "tests" / "deploy" / "schemas" / "eksctl.json").read_text())
# `eksctl utils schema` prints it.
EKSCTLS = ROOT.parent / "shared" / "eksctl-schema.json"
FILES = ("kube-config/cluster.yaml", "kube-config/cloudwatch-logs.yaml")


@pytest.fixture(scope="module")
def eksctls() -> Any:
    if not EKSCTLS.exists():
        pytest.skip("../shared/eksctl-schema.json is not here (eksctl utils schema), so the own schema stands alone")
    return json.loads(EKSCTLS.read_text())


@pytest.mark.parametrize("path", FILES)
def test_file_is_valid_by_the_own_schema(path: str) -> None:
    (found,) = read_objects(path)
    jsonschema.validate(found, OWN)


@pytest.mark.parametrize("path", FILES)
def test_file_is_valid_by_eksctls_schema(path: str, eksctls: Any) -> None:
    (found,) = read_objects(path)
    jsonschema.validate(found, eksctls)


@pytest.mark.parametrize("definition", OWN["definitions"])
def test_own_schema_names_only_what_eksctl_knows(definition: str, eksctls: Any) -> None:
    own, known = OWN["definitions"][definition]["properties"], eksctls["definitions"][definition]["properties"]
    for name, described in own.items():
        assert name in known, f"{definition}.{name}"
        if "type" in described and "type" in known[name]:
            assert described["type"] == known[name]["type"], f"{definition}.{name}"


def test_own_schema_refuses_an_unknown_field() -> None:
    (cluster,) = read_objects("kube-config/cluster.yaml")
    cluster["vpc"]["nat"]["gateways"] = "Single"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(cluster, OWN)


def test_files_speak_of_one_cluster() -> None:
    metadata = [read_objects(path)[0]["metadata"] for path in FILES]
    assert len({(one["name"], one["region"]) for one in metadata}) == 1


def test_addons_configuration_is_json() -> None:
    for path in FILES:
        for addon in read_objects(path)[0].get("addons", []):
            json.loads(addon.get("configurationValues", "{}"))
