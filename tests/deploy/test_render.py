"""What `make deploy` applies: an overlay with the images and the certificate put in."""

import os
import subprocess

import pytest
import yaml

from tests.deploy.manifests import ROOT, get_container, get_only

IMAGE = "<account>.dkr.ecr.us-east-1.amazonaws.com/mlzoomcamp-images:digit_recognizer-v1"
CERTIFICATE = "arn:aws:acm:us-east-1:<account>:certificate/1"


def run(overlay: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "kube-overlays" / "render.sh"
    return subprocess.run(
        [script, overlay], env=os.environ | environment, capture_output=True, text=True, check=False, cwd="/"
    )


def test_render_puts_the_image_into_production() -> None:
    rendered = run("production", IMAGE=IMAGE)
    assert rendered.returncode == 0, rendered.stderr
    assert get_container(get_only(list(yaml.safe_load_all(rendered.stdout)), "Deployment"))["image"] == IMAGE


def test_render_puts_both_images_into_the_canary() -> None:
    objects = list(yaml.safe_load_all(run("canary", IMAGE=IMAGE, CANARY_IMAGE="registry/next:2").stdout))
    assert get_container(get_only(objects, "Deployment"))["image"] == IMAGE
    assert get_container(get_only(objects, "Deployment", "gateway-canary"))["image"] == "registry/next:2"


def test_render_puts_the_certificate_into_tls() -> None:
    objects = list(yaml.safe_load_all(run("tls", IMAGE=IMAGE, CERTIFICATE=CERTIFICATE).stdout))
    annotations = get_only(objects, "Service")["metadata"]["annotations"]
    assert annotations["service.beta.kubernetes.io/aws-load-balancer-ssl-cert"] == CERTIFICATE


@pytest.mark.parametrize(
    ("overlay", "environment", "message"),
    [
        ("production", {"IMAGE": "digit_recognizer:v1"}, "expected one in a registry"),
        ("tls", {"IMAGE": IMAGE}, "tls needs CERTIFICATE=arn:aws:acm"),
        ("canary", {"IMAGE": IMAGE}, "canary needs CANARY_IMAGE="),
        ("staging", {"IMAGE": IMAGE}, "expected local, production, tls or canary"),
    ],
)
def test_render_refuses_what_would_not_run(overlay: str, environment: dict[str, str], message: str) -> None:
    rendered = run(overlay, **environment)
    assert rendered.returncode == 1
    assert message in rendered.stderr
    assert not rendered.stdout
