"""The search as a Kubernetes Job: of one mind with the command, its settings and its image."""

import re
import shlex

import pytest

from tests.conftest import RunPython
from tests.deploy.manifests import ROOT, get_container, get_pod, read_objects

JOB = "kube-config/tune-job.yaml"
DOCKERFILE = ROOT / "kube-config" / "tune.Dockerfile"


@pytest.fixture
def job() -> dict:
    (found,) = read_objects(JOB)
    return found


def test_job_is_indexed_and_each_worker_may_fail_alone(job: dict) -> None:
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] > 1
    assert spec["backoffLimitPerIndex"] > 0
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # What backoffLimitPerIndex demands.


def test_job_holds_to_the_restricted_standard(job: dict) -> None:
    pod, container = get_pod(job), get_container(job)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] >= 10000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys() == {"cpu", "memory"}


def test_job_reads_the_storage_from_a_secret_and_nowhere_else(job: dict) -> None:
    (storage,) = [one for one in get_container(job)["env"] if one["name"] == "SEARCH_STORAGE"]
    assert storage["valueFrom"]["secretKeyRef"] == {"name": "tune-storage", "key": "url"}
    assert "://" not in (ROOT / JOB).read_text().replace("# ", "")


def test_job_gives_options_that_the_command_knows(job: dict, run_command: RunPython) -> None:
    usage = run_command("digits.exploration.search", "--help")
    options = [argument for argument in get_container(job)["args"] if argument.startswith("--")]
    assert options
    assert [option for option in options if option not in usage.stdout] == []


def test_job_threads_match_the_cpu_limit(job: dict) -> None:
    container = get_container(job)
    threads = {one["name"]: one.get("value") for one in container["env"]}
    assert threads["TF_NUM_INTRAOP_THREADS"] == container["resources"]["limits"]["cpu"]


def test_image_runs_the_command_as_the_jobs_user_on_the_services_base(job: dict) -> None:
    text = DOCKERFILE.read_text()
    context = get_pod(job)["securityContext"]
    assert 'ENTRYPOINT ["python", "-m", "digits.exploration.search"]' in text
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}" in text
    (base,) = re.findall(r"^FROM .*$", text, re.MULTILINE)
    assert f"{base} AS base" in (ROOT / "web_service" / "Dockerfile").read_text()


def test_image_is_built_from_an_allow_list_of_what_is_copied() -> None:
    rules = (ROOT / "kube-config" / "tune.Dockerfile.dockerignore").read_text().splitlines()
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {
        source
        for line in DOCKERFILE.read_text().splitlines()
        if line.startswith("COPY ")
        for source in shlex.split(line)[1:-1]
    }
    assert copied == allowed
    assert [source for source in copied if not (ROOT / source).exists()] == []
