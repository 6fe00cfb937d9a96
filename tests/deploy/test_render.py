"""What `make deploy` applies: an overlay with the images and the certificate put in."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.manifests import ROOT, get_container, get_only

IMAGE = "<account>.dkr.ecr.us-east-1.amazonaws.com/mlzoomcamp-images:digit_recognizer-v1"
CERTIFICATE = "arn:aws:acm:us-east-1:<account>:certificate/1"
RUNBOOKS = "https://example.org/digits/docs/runbook.md"


def run(overlay: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "kube-overlays" / "render.sh"
    # Whoever runs the tests may have a site.env of their own.
    values = {"SITE": "/nowhere"} | environment
    return subprocess.run(
        [script, overlay, *arguments], env=os.environ | values, capture_output=True, text=True, check=False, cwd="/"
    )


def test_render_puts_the_image_into_production() -> None:
    rendered = run("production", IMAGE=IMAGE)
    assert rendered.returncode == 0, rendered.stderr
    assert get_container(get_only(list(yaml.safe_load_all(rendered.stdout)), "Deployment"))["image"] == IMAGE


def test_render_takes_an_image_by_its_digest() -> None:
    image = "registry/digits@sha256:" + 64 * "0"
    objects = list(yaml.safe_load_all(run("production", IMAGE=image).stdout))
    assert get_container(get_only(objects, "Deployment"))["image"] == image


def test_render_remembers_the_site(tmp_path: Path) -> None:
    """What was chosen once stays chosen: the next plain deploy takes no TLS away."""
    site = tmp_path / "site.env"
    site.write_text(f"IMAGE='{IMAGE}'\nCOMPONENTS='tls'\nCERTIFICATE='{CERTIFICATE}'\n")
    service = get_only(list(yaml.safe_load_all(run("production", SITE=str(site)).stdout)), "Service")
    assert service["spec"]["ports"][0]["port"] == 443
    # make's default image counts as none, and an empty variable as not set.
    rendered = run("production", SITE=str(site), IMAGE="digit_recognizer:v1", CERTIFICATE="")
    assert get_container(get_only(list(yaml.safe_load_all(rendered.stdout)), "Deployment"))["image"] == IMAGE


def test_render_lets_the_environment_win_over_the_site(tmp_path: Path) -> None:
    site = tmp_path / "site.env"
    site.write_text("IMAGE=registry/from-the-site:1\n")
    rendered = run("production", SITE=str(site), IMAGE=IMAGE)
    assert get_container(get_only(list(yaml.safe_load_all(rendered.stdout)), "Deployment"))["image"] == IMAGE


def test_example_of_a_site_sets_what_render_reads() -> None:
    example = (ROOT / "kube-overlays" / "site.env.example").read_text()
    set_names = set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert {"IMAGE", "COMPONENTS", "CERTIFICATE", "CLIENTS", "CANARY_IMAGE", "RUNBOOKS"} <= set_names
    ignored = subprocess.run(["git", "check-ignore", "--quiet", "kube-overlays/site.env"], cwd=ROOT, check=False)
    assert ignored.returncode == 0


def test_kustomization_for_gitops_renders_the_same(tmp_path: Path) -> None:
    """Argo CD and Flux take the printed kustomization; here it is rendered in a copy of the repository."""
    values = {"IMAGE": IMAGE, "COMPONENTS": "tls monitoring", "CERTIFICATE": CERTIFICATE, "RUNBOOKS": RUNBOOKS}
    for folder in ("kube-config", "kube-overlays"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    site = tmp_path / "kube-overlays" / "site"
    site.mkdir()
    (site / "kustomization.yaml").write_text(run("production", "--kustomization", **values).stdout)
    applied = subprocess.run(["kubectl", "kustomize", site], capture_output=True, text=True, check=True)
    assert applied.stdout == run("production", **values).stdout


@pytest.mark.parametrize(
    ("overlay", "environment", "message"),
    [
        ("production", {"IMAGE": "digit_recognizer:v1"}, "expected one in a registry"),
        # Where aws or curl found nothing, and only the rest of the line is left.
        ("production", {"IMAGE": ".dkr.ecr.us-east-1.amazonaws.com/digits:v1"}, "expected one in a registry"),
        (
            "production",
            {"IMAGE": IMAGE, "COMPONENTS": "known-clients", "CLIENTS": "/32"},
            "known-clients needs CLIENTS=",
        ),
        ("production", {"IMAGE": "registry/digits"}, "expected <registry>/<repository>:<tag>"),
        ("production", {"IMAGE": IMAGE, "COMPONENTS": "tls"}, "tls needs CERTIFICATE=arn:aws:acm"),
        ("production", {"IMAGE": IMAGE, "COMPONENTS": "canary"}, "canary needs CANARY_IMAGE="),
        ("production", {"IMAGE": IMAGE, "COMPONENTS": "known-clients"}, "known-clients needs CLIENTS="),
        ("production", {"IMAGE": IMAGE, "COMPONENTS": "monitoring"}, "monitoring needs RUNBOOKS=https://"),
        (
            "production",
            {"IMAGE": IMAGE, "COMPONENTS": "monitoring", "RUNBOOKS": "https://github.com/<owner>/<repository>"},
            "monitoring needs RUNBOOKS=https://",
        ),
        (
            "production",
            {"IMAGE": IMAGE, "COMPONENTS": "tsl"},
            "received the component 'tsl', expected some of: canary tls",
        ),
        ("staging", {"IMAGE": IMAGE}, "expected production or local"),
    ],
)
def test_render_refuses_what_would_not_run(overlay: str, environment: dict[str, str], message: str) -> None:
    rendered = run(overlay, **environment)
    assert rendered.returncode == 1
    assert message in rendered.stderr
    assert not rendered.stdout
