"""Bulk scoring on Ray and as an indexed Job: manifests against KubeRay's own schema, command, image, the pinned Ray."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from digits.data.dataset import LabelledImages
from tests.conftest import RunPython
from tests.deploy.image_build import run_build
from tests.deploy.manifests import (
    ROOT,
    Object,
    get_container,
    get_only,
    get_pod,
    read_environment,
    read_objects,
    render,
    select_kind,
    validate,
)
from tests.digits.scoring.scored import read_answers, write_csv

FOLDER = "kube-config/components/scoring"
INDEXED = f"{FOLDER}/indexed-job"
DOCKERFILE = ROOT / FOLDER / "Dockerfile"
# What every clone has, and KubeRay's own where that lies beside the clone.
OWN = json.loads((ROOT / "tests" / "deploy" / "schemas" / "rayjob.json").read_text())
KUBERAYS = ROOT.parent / "shared/rayjob-schema.json"


@pytest.fixture(scope="module")
def job() -> Object:
    return get_only(read_objects(f"{FOLDER}/rayjob.yaml"), "RayJob", "scoring")


def list_pods(job: Object) -> dict[str, Object]:
    cluster = job["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    return {
        "head": cluster["headGroupSpec"]["template"]["spec"],
        "workers": workers["template"]["spec"],
        "submitter": job["spec"]["submitterPodTemplate"]["spec"],
    }


def forbid_unknown_fields(schema: Object) -> Object:
    """Return the schema without room for fields that it does not list: Kubernetes would drop a misspelt one."""
    closed = {key: forbid_unknown_fields(value) if isinstance(value, dict) else value for key, value in schema.items()}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed


@pytest.fixture(scope="module")
def kuberays() -> Object:
    if not KUBERAYS.exists():
        pytest.skip("../shared/rayjob-schema.json, from KubeRay's chart, is not here, so the own schema stands alone")
    return json.loads(KUBERAYS.read_text())


def test_job_is_valid_by_the_own_schema(job: Object) -> None:
    jsonschema.validate(job, OWN)


def test_own_schema_refuses_an_unknown_field(job: Object) -> None:
    changed = json.loads(json.dumps(job))
    changed["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["maxReplica"] = 10
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed, OWN)


def test_job_is_valid_by_the_operators_schema(job: Object, kuberays: Object) -> None:
    properties = {
        key: forbid_unknown_fields(value) for key, value in kuberays["properties"].items() if key != "metadata"
    }
    jsonschema.validate({key: job[key] for key in job if key != "metadata"}, {"properties": properties})


def assert_known(own: Object, known: Object, place: str) -> None:
    for name, described in own.get("properties", {}).items():
        theirs = known["properties"][name]
        assert described.get("type", theirs["type"]) == theirs["type"], f"{place}.{name}"
        if "properties" in theirs:
            assert_known(described, theirs, f"{place}.{name}")
        if "items" in theirs:
            assert_known(described["items"], theirs["items"], f"{place}.{name}")


def test_own_schema_names_only_what_the_operator_knows(kuberays: Object) -> None:
    assert_known(OWN["properties"]["spec"], kuberays["properties"]["spec"], "spec")


@pytest.mark.parametrize("pod", ["head", "workers", "submitter"])
def test_every_pod_holds_to_the_restricted_standard_and_the_clusters_schema(job: Object, pod: str) -> None:
    spec = list_pods(job)[pod]
    validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod}, "spec": spec})
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is (pod == "head")
    (container,) = spec["containers"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys() == {"cpu", "memory"}


def test_rendered_objects_lie_in_a_namespace_of_their_own() -> None:
    objects = render(FOLDER)
    assert {one["kind"] for one in objects} == {"Namespace", "ServiceAccount", "ConfigMap", "RayJob"}
    assert {one["metadata"].get("namespace", "scoring") for one in objects} == {"scoring"}
    for one in objects:
        if one["kind"] != "RayJob":
            validate(one)


def test_indexed_job_is_valid_and_lies_in_the_same_namespace() -> None:
    objects = render(INDEXED)
    assert {one["kind"] for one in objects} == {"Namespace", "ServiceAccount", "ConfigMap", "Job", "NetworkPolicy"}
    assert {one["metadata"].get("namespace", "scoring") for one in objects} == {"scoring"}
    for one in objects:
        validate(one)


def test_network_policy_holds_for_the_indexed_job_and_not_for_rays_pods(indexed_job: Object, job: Object) -> None:
    (policy,) = select_kind(render(INDEXED), "NetworkPolicy")
    selected = policy["spec"]["podSelector"]["matchLabels"].items()
    assert indexed_job["spec"]["template"]["metadata"]["labels"].items() >= selected
    assert not job["metadata"]["labels"].items() >= selected
    assert policy["spec"]["policyTypes"] == ["Ingress"]


@pytest.fixture(scope="module")
def indexed_job() -> Object:
    return get_only(read_objects(f"{INDEXED}/job.yaml"), "Job", "scoring")


def test_indexed_job_holds_to_the_restricted_standard_with_the_image_of_ray(job: Object, indexed_job: Object) -> None:
    pod, container = get_pod(indexed_job), get_container(indexed_job)
    head = list_pods(job)["head"]
    assert pod["securityContext"] == head["securityContext"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == head["serviceAccountName"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["image"] == head["containers"][0]["image"]


@pytest.mark.parametrize("output", ["scores", "scores/"])
def test_pods_of_the_indexed_job_score_all_files_between_them(
    indexed_job: Object, small_digits: LabelledImages, tmp_path: Path, output: str
) -> None:
    """The container's own command, for two of its pods."""
    container = get_container(indexed_job)
    shares = read_environment(indexed_job)["SHARES"]
    assert int(shares) == indexed_job["spec"]["completions"]
    (tmp_path / "rows").mkdir()
    for index in range(2):
        write_csv(tmp_path / "rows" / f"{index}.csv", small_digits.images[5 * index : 5 * index + 5])
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "INPUT": f"{tmp_path}/rows",
        "OUTPUT": f"{tmp_path}/{output}",
        "TASK": "predict",
        "SHARES": shares,
    }
    for index in range(2):
        command = [*container["command"], *container["args"]]
        subprocess.run(command, cwd=ROOT, env=environment | {"JOB_COMPLETION_INDEX": str(index)}, check=True)
    answers = [read_answers(tmp_path / "scores" / str(index)) for index in range(2)]
    assert [one["id"][0].as_py() for one in answers] == ["0.csv:1", "1.csv:1"]
    assert [len(one) for one in answers] == [5, 5]


def test_settings_of_the_command_come_from_the_config_map(job: Object) -> None:
    (settings,) = select_kind(render(FOLDER), "ConfigMap")
    named = set(re.findall(r"\$(\w+)", job["spec"]["entrypoint"]))
    assert named == settings["data"].keys()
    (head,) = list_pods(job)["head"]["containers"]
    assert head["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]


def test_entry_point_is_a_command_with_options_that_it_knows(job: Object, run_command: RunPython) -> None:
    python, option, module, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert (python, option) == ("python", "-m")
    usage = run_command(module, "--help").stdout
    options = [argument for argument in arguments if argument.startswith("--")]
    assert options
    assert [one for one in options if one not in usage] == []


def test_cluster_asks_for_a_token_and_goes_away_by_itself(job: Object) -> None:
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    assert job["spec"]["shutdownAfterJobFinishes"] is True
    assert 0 < job["spec"]["ttlSecondsAfterFinished"] <= 600


def test_all_pods_run_one_image_with_the_pinned_ray(job: Object) -> None:
    images = {container["image"] for pod in list_pods(job).values() for container in pod["containers"]}
    assert len(images) == 1
    assert f"-t {images.pop()} " in DOCKERFILE.read_text()
    pin = re.search(r"^ray\[.*\]==(\S+)", (ROOT / "digits/scoring/requirements-ray.txt").read_text(), re.MULTILINE)
    assert pin
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == pin[1]


def test_image_runs_as_the_pods_user_on_the_services_base(job: Object) -> None:
    text = DOCKERFILE.read_text()
    context = list_pods(job)["head"]["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}" in text
    (base,) = re.findall(r"^FROM (\S+)$", text, re.MULTILINE)
    assert f"FROM {base} " in (ROOT / "web_service" / "Dockerfile").read_text()


def test_image_is_built_from_an_allow_list_of_what_is_copied() -> None:
    rules = (ROOT / FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {
        source
        for line in DOCKERFILE.read_text().splitlines()
        if line.startswith("COPY ")
        for source in shlex.split(line)[1:-1]
    }
    assert copied == allowed
    assert [source for source in copied if not (ROOT / source).exists()] == []


def test_what_the_image_runs_needs_no_package_of_training(run_as_served: RunPython) -> None:
    done = run_as_served("import digits.scoring.run, digits.scoring.cluster")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_image_builds_and_both_engines_score_the_same_in_it(tmp_path: Path) -> None:
    """Two minutes on a quiet machine."""
    run_build("build_scoring_image.sh", tmp_path / "log")
