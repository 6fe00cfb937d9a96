"""KServe's InferenceService: of one mind with the image and its protocol."""

import http.client

import pytest

from tests.deploy.manifests import ROOT, Object, get_instruction, read_objects, validate
from tests.service.server import serve

FILE = "kube-config/components/kserve/inferenceservice.yaml"
# What V1beta1PredictorSpec of KServe 0.21 has beside the fields of a pod.
KSERVES = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget"}


@pytest.fixture
def predictor() -> Object:
    (found,) = read_objects(FILE)
    assert (found["apiVersion"], found["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert list(found["spec"]) == ["predictor"]
    return found["spec"]["predictor"]


def test_predictor_is_a_valid_pod_but_for_kserves_own_fields(predictor: Object) -> None:
    pod = {name: value for name, value in predictor.items() if name not in KSERVES}
    validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "digits"}, "spec": pod})
    assert predictor["minReplicas"] <= predictor["maxReplicas"]


def test_container_is_the_one_that_kserve_looks_for_and_fits_the_image(predictor: Object) -> None:
    (container,) = predictor["containers"]
    assert container["name"] == "kserve-container"
    assert str(container["ports"][0]["containerPort"]) == get_instruction("EXPOSE")
    context = predictor["securityContext"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == get_instruction("USER")


def test_pod_is_as_large_and_as_confined_as_that_of_the_deployment(predictor: Object) -> None:
    (deployment,) = read_objects("kube-config/gateway-deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    for name in ("securityContext", "terminationGracePeriodSeconds", "volumes", "enableServiceLinks"):
        assert predictor[name] == pod[name]
    for name in ("image", "resources", "securityContext", "volumeMounts"):
        assert predictor["containers"][0][name] == pod["containers"][0][name]


def test_service_answers_the_probes(predictor: Object, tmp_path) -> None:
    (container,) = predictor["containers"]
    with serve(tmp_path) as server:
        for probe in ("readinessProbe", "livenessProbe"):
            answer = server.request("GET", container[probe]["httpGet"]["path"])
            assert answer.status == http.client.OK


def test_guide_names_the_manifest() -> None:
    assert FILE in (ROOT / "docs/other-runtimes.md").read_text()
