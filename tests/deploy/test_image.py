"""The image: its Dockerfile, its locked requirements, and the image itself, built and run where the tools are."""

import json
import re
from pathlib import Path

from tests.deploy.image_build import run_build
from tests.deploy.manifests import (
    ROOT,
    get_container,
    get_instruction,
    get_only,
    get_pod,
    read_dockerfile,
    read_entry_point,
    read_objects,
)

LOCK = ROOT / "web_service" / "requirements.lock"


def read_lock() -> list[tuple[str, str]]:
    """Each locked requirement's name with what follows it: version, marker and hashes."""
    text = "\n".join(line for line in LOCK.read_text().splitlines() if not line.startswith("#"))
    entries = [entry.strip() for entry in text.replace("\\\n", " ").splitlines() if entry.strip()]
    return [(name, rest) for name, _, rest in (entry.partition("==") for entry in entries)]


def test_base_is_one_digest_for_both_stages() -> None:
    instructions = read_dockerfile()
    base, *stages = (value for name, value in instructions if name == "FROM")
    # Written out and not put together from ARG, so that Dependabot finds it.
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+@sha256:[0-9a-f]{64} AS base", base)
    assert [stage.split()[0] for stage in stages] == ["base", "base"]


def test_last_stage_runs_no_command() -> None:
    instructions = read_dockerfile()
    last_stage = max(place for place, (name, _) in enumerate(instructions) if name == "FROM")
    assert "RUN" not in [name for name, _ in instructions[last_stage:]]


def test_user_is_the_one_that_kubernetes_expects() -> None:
    pod = get_pod(get_only(read_objects("kube-config/gateway-deployment.yaml"), "Deployment"))
    context = pod["securityContext"]
    assert get_instruction("USER") == f"{context['runAsUser']}:{context['runAsGroup']}"


def test_entry_point_is_the_server_itself() -> None:
    assert read_entry_point()[:4] == ["python", "-m", "uvicorn", "app.predict:app"]


def test_health_check_asks_what_the_readiness_probe_asks() -> None:
    health = json.loads(get_instruction("HEALTHCHECK").split("CMD", 1)[1])
    container = get_container(get_only(read_objects("kube-config/gateway-deployment.yaml"), "Deployment"))
    path = container["readinessProbe"]["httpGet"]["path"]
    assert f"http://127.0.0.1:{get_instruction('EXPOSE')}{path}" in health[-1]


def test_labels_are_the_open_container_initiatives() -> None:
    labels = re.findall(r'([\w.]+)="', get_instruction("LABEL"))
    prefix = "org.opencontainers.image."
    assert {prefix + name for name in ("title", "description", "licenses", "version", "revision")} <= set(labels)


def test_build_context_is_an_allow_list_of_what_is_copied() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {
        source
        for name, value in read_dockerfile()
        if name == "COPY" and not value.startswith("--from")
        for source in value.split()[:-1]
    }
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)


def test_lock_holds_every_requirement_at_its_version() -> None:
    wanted = re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "web_service" / "requirements.txt").read_text(), re.MULTILINE)
    locked = {(name, rest.split()[0]) for name, rest in read_lock()}
    assert wanted
    assert set(wanted) <= locked


def test_lock_has_a_hash_for_every_entry_and_names_no_host() -> None:
    for name, rest in read_lock():
        assert "--hash=sha256:" in rest, name
    assert "://" not in LOCK.read_text()


def test_lock_holds_nothing_that_serving_does_not_need() -> None:
    locked = {name for name, _ in read_lock()}
    assert not locked & {"typer", "tensorflow", "keras", "pandas", "matplotlib", "scikit-learn", "scipy", "onnx"}


def test_image_builds_runs_confined_and_stops_cleanly(tmp_path: Path) -> None:
    """About a minute; three the first time, when the base image is made."""
    run_build("build_image.sh", tmp_path / "log")
