"""The workflows and Dependabot: every action by commit, few rights, and the image as it is promised."""

import re

import pytest
import yaml

from tests.deploy.manifests import ROOT, Object

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read_workflow(name: str) -> Object:
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())


def list_steps(job: Object) -> list[Object]:
    return job["steps"]


def find_step(job: Object, action: str) -> Object:
    (step,) = (one for one in list_steps(job) if one.get("uses", "").startswith(action + "@"))
    return step


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_commit_and_says_its_release(path):
    lines = [line for line in path.read_text().splitlines() if "uses:" in line]
    assert lines
    assert [line for line in lines if not re.search(r"uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)] == []


def test_one_action_has_one_commit():
    pins = {line for path in WORKFLOWS for line in re.findall(r"uses: (\S+@\S+)", path.read_text())}
    assert len({pin.split("@")[0] for pin in pins}) == len(pins)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_may_only_read_unless_a_job_says_otherwise(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert "timeout-minutes" in job
        assert name == "publish" or "permissions" not in job


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_step_puts_an_expression_into_a_shell(path):
    """A branch's name could be a command."""
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        assert [step["run"] for step in list_steps(job) if "${{" in step.get("run", "")] == []


def test_ci_runs_the_tests_and_looks_for_known_holes():
    commands = [step.get("run") for job in read_workflow("ci.yml")["jobs"].values() for step in list_steps(job)]
    assert {".ci/run", "make audit"} <= set(commands)


def test_image_is_built_started_and_scanned_on_both_processors():
    job = read_workflow("image.yml")["jobs"]["test"]
    assert {one["platform"] for one in job["strategy"]["matrix"]["include"]} == {"linux/amd64", "linux/arm64"}
    (started,) = (step for step in list_steps(job) if step.get("run") == "tests/deploy/docker_test.sh")
    assert started["env"] == {"PLATFORM": "${{ matrix.platform }}"}
    assert find_step(job, "anchore/scan-action")["with"]["severity-cutoff"] == "high"


def test_tag_publishes_what_was_tested_with_contents_origin_and_signature():
    job = read_workflow("image.yml")["jobs"]["publish"]
    assert job["needs"] == "test"
    assert job["if"] == "startsWith(github.ref, 'refs/tags/v')"
    built = find_step(job, "docker/build-push-action")["with"]
    assert built["platforms"] == "linux/amd64,linux/arm64"
    assert (built["sbom"], built["provenance"]) == (True, "mode=max")
    assert built["file"] == "web_service/Dockerfile"
    signed = list_steps(job)[-1]
    assert 'cosign sign --yes "$IMAGE@$DIGEST"' in signed["run"]
    assert "cosign verify" in signed["run"]


def test_dependabot_watches_what_is_pinned():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    watched = {one["package-ecosystem"]: one.get("directories", [one.get("directory")]) for one in updates}
    assert watched.keys() == {"docker", "docker-compose", "pip", "github-actions"}
    dockerfiles = [*(ROOT / "web_service").glob("*Dockerfile"), *(ROOT / "kube-config").rglob("*Dockerfile")]
    assert {f"/{path.parent.relative_to(ROOT)}" for path in dockerfiles} == set(watched["docker"])
