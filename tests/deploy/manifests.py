"""What the tests of this folder read: the repository's deployment files, rendered and parsed."""

import json
import re
import shutil
import subprocess
from functools import cache
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.conftest import ROOT

# Each folder that `kubectl apply -k` is told to apply; test_components.py has production with its components.
ON_EKS = ("kube-config", "kube-overlays/production")
KUSTOMIZATIONS = (*ON_EKS, "kube-overlays/local")
DEFAULT_IMAGE = "digit_recognizer:v1"

Object = dict[str, Any]


@cache
def _render(folder: str) -> str:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed, so the overlays cannot be rendered")
    rendered = subprocess.run(["kubectl", "kustomize", folder], cwd=ROOT, capture_output=True, text=True, check=False)
    assert rendered.returncode == 0, rendered.stderr
    return rendered.stdout


def render(folder: str) -> list[Object]:
    """Return the objects that `kubectl apply -k folder` would apply."""
    return list(yaml.safe_load_all(_render(folder)))


def read_objects(path: str) -> list[Object]:
    """Return the objects of one file."""
    return list(yaml.safe_load_all((ROOT / path).read_text()))


def select_kind(objects: list[Object], kind: str) -> list[Object]:
    """Return the objects of one kind."""
    return [found for found in objects if found["kind"] == kind]


def get_only(objects: list[Object], kind: str, name: str = "gateway") -> Object:
    """Return the one object of this kind and name."""
    (found,) = (one for one in select_kind(objects, kind) if one["metadata"]["name"] == name)
    return found


def read_cluster_version() -> str:
    """Return the Kubernetes version that cluster.yaml asks for."""
    return read_objects("kube-config/cluster.yaml")[0]["metadata"]["version"]


def validate(found: Object, version: str | None = None) -> None:
    """Check an object strictly against the schemas of a version of Kubernetes, by default the cluster's.

    Raises:
        kubernetes_validate.ValidationError: If it is not valid.
    """
    kubernetes_validate.validate(found, version or read_cluster_version(), strict=True)


def get_pod(deployment: Object) -> Object:
    """Return a Deployment's pod."""
    return deployment["spec"]["template"]["spec"]


def get_container(deployment: Object) -> Object:
    """Return the one container of a Deployment's pod."""
    (container,) = get_pod(deployment)["containers"]
    return container


def read_dockerfile() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continued lines joined and comments left out."""
    lines = (ROOT / "web_service" / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#")).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1].strip()) for line in text.splitlines() if line.strip()]


def get_instruction(name: str) -> str:
    """Return what follows the only instruction of this name in the Dockerfile's last stage."""
    instructions = read_dockerfile()
    last_stage = max(place for place, (instruction, _) in enumerate(instructions) if instruction == "FROM")
    (found,) = (value for instruction, value in instructions[last_stage:] if instruction == name)
    return found


def read_entry_point() -> list[str]:
    """Return the image's command."""
    return list(json.loads(get_instruction("ENTRYPOINT")))


def read_entry_point_option(name: str) -> str:
    """Return the value of one of the command's options."""
    command = read_entry_point()
    return command[command.index(name) + 1]


def read_environment(deployment: Object) -> dict[str, str]:
    """Return the container's variables that have a value, not those from a Secret."""
    return {one["name"]: one["value"] for one in get_container(deployment)["env"] if "value" in one}


def read_service_attribute(service: Object, name: str) -> str | None:
    """Return one attribute of the load balancer's target group."""
    annotations = service["metadata"].get("annotations", {})
    attributes = annotations.get("service.beta.kubernetes.io/aws-load-balancer-target-group-attributes", "")
    found = re.search(rf"{re.escape(name)}=([^,\s]+)", attributes)
    return found.group(1) if found else None
