"""The documents' commands, paths and table: true of the repository as it is."""

import re
import subprocess
import sys

import pytest

from tests.deploy.manifests import ROOT, get_instruction

PROMISING = ("README.md", "docs/deployment.md")
DOCUMENTS = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
# What a person types from the root, whatever else changes.
PROMISED = (
    "docker build --platform linux/amd64 -t digit_recognizer:v1 -f web_service/Dockerfile .",
    "docker run -p 9696:9696 digit_recognizer:v1",
    "eksctl create cluster -f kube-config/cluster.yaml",
    "kubectl apply -f kube-config/gateway-deployment.yaml",
    "kubectl apply -f kube-config/gateway-service.yaml",
)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_document_names_only_files_that_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    named = set(re.findall(r"(?<![\w/.:-])((?:kube-config|kube-overlays|web_service|tests|docs)(?:/[\w.-]+)+)", text))
    assert {path for path in named if not (ROOT / path.rstrip(".")).exists()} == set()


@pytest.mark.parametrize("document", PROMISING)
def test_document_gives_the_promised_commands(document: str) -> None:
    text = (ROOT / document).read_text()
    assert [command for command in PROMISED if command not in text] == []


def test_promised_port_is_the_images() -> None:
    assert f"-p {get_instruction('EXPOSE')}:{get_instruction('EXPOSE')} " in PROMISED[1]


def test_canary_table_and_overlays_are_all_described() -> None:
    text = (ROOT / "docs" / "deployment.md").read_text()
    overlays = [folder.parent.name for folder in (ROOT / "kube-overlays").glob("*/kustomization.yaml")]
    assert overlays
    assert [name for name in overlays if f"kube-overlays/{name}" not in text] == []


def test_capacitys_table_is_what_the_simulation_prints() -> None:
    script = ROOT / "tests" / "deploy" / "simulate_autoscaler.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    assert printed in (ROOT / "docs" / "capacity.md").read_text()
