"""The Kubernetes files: valid by the schemas, each usable alone, and of one mind with the image and the application."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.deploy.manifests import (
    DEFAULT_IMAGE,
    KUSTOMIZATIONS,
    ON_EKS,
    ROOT,
    get_container,
    get_instruction,
    get_only,
    get_pod,
    read_cluster_version,
    read_entry_point_option,
    read_environment,
    read_objects,
    read_service_attribute,
    render,
    select_kind,
    validate,
)

NAMESPACE = "digits"
ALONE = ("kube-config/gateway-deployment.yaml", "kube-config/gateway-service.yaml")
TUNE_JOB = "kube-config/tune-job.yaml"
# Applied once for a cluster, by hand.
CLUSTER_FILES = {"cluster.yaml", "cloudwatch-logs.yaml", "network-policy-controller.yaml", "arm64-nodes.yaml"}
# Kinds of the cluster, which have no namespace.
CLUSTER_KINDS = {"Namespace"}


@pytest.fixture(scope="module")
def app_paths() -> set[str]:
    """The paths that the application answers, asked in a process of its own."""
    script = "from app.predict import app; import json; print(json.dumps(list(app.openapi()['paths'])))"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'web_service'}"}
    answer = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return set(json.loads(answer.stdout))


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_rendered_objects_are_valid_by_the_clusters_schemas(folder: str) -> None:
    for obj in render(folder):
        validate(obj)


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_rendered_objects_are_valid_by_the_next_versions_schemas(folder: str) -> None:
    """So that nothing here stands in the way of the cluster's upgrade."""
    major, minor = read_cluster_version().split(".")
    for obj in render(folder):
        validate(obj, f"{major}.{int(minor) + 1}")


@pytest.mark.parametrize("path", [*ALONE, TUNE_JOB, "kube-config/network-policy-controller.yaml"])
def test_single_file_is_valid_by_the_clusters_schemas(path: str) -> None:
    for obj in read_objects(path):
        validate(obj)


def test_schemas_refuse_an_unknown_field() -> None:
    deployment = get_only(read_objects("kube-config/gateway-deployment.yaml"), "Deployment")
    deployment["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(deployment)


def test_cluster_never_pays_for_extended_support_and_keeps_its_logs() -> None:
    (cluster,) = read_objects("kube-config/cluster.yaml")
    assert cluster["upgradePolicy"] == {"supportType": "STANDARD"}
    logging = cluster["cloudWatch"]["clusterLogging"]
    assert {"api", "audit", "authenticator"} <= set(logging["enableTypes"])
    assert logging["logRetentionInDays"] > 0


@pytest.mark.parametrize("path", ALONE)
def test_single_file_needs_nothing_that_a_plain_cluster_lacks(path: str) -> None:
    (obj,) = read_objects(path)
    assert "namespace" not in obj["metadata"]
    assert "serviceAccountName" not in obj["spec"].get("template", {}).get("spec", {})


def test_kustomization_applies_every_file_but_the_clusters_and_the_searchs() -> None:
    folder = ROOT / "kube-config"
    named = set(yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"])
    others = {"kustomization.yaml", Path(TUNE_JOB).name, *CLUSTER_FILES}
    assert named == {path.name for path in folder.glob("*.yaml")} - others


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_rendered_objects_live_in_the_one_namespace(folder: str) -> None:
    objects = render(folder)
    assert [obj["metadata"]["name"] for obj in select_kind(objects, "Namespace")] == [NAMESPACE]
    assert {obj["metadata"].get("namespace") for obj in objects if obj["kind"] not in CLUSTER_KINDS} == {NAMESPACE}


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_selectors_find_the_gateways_pods(folder: str) -> None:
    objects = render(folder)
    pods = [deployment["spec"]["template"]["metadata"]["labels"] for deployment in select_kind(objects, "Deployment")]
    selectors = [obj["spec"]["selector"] for obj in select_kind(objects, "Service")]
    selectors += [obj["spec"]["selector"]["matchLabels"] for obj in select_kind(objects, "PodDisruptionBudget")]
    selectors += [obj["spec"]["podSelector"].get("matchLabels", {}) for obj in select_kind(objects, "NetworkPolicy")]
    for deployment in select_kind(objects, "Deployment"):
        for constraint in get_pod(deployment)["topologySpreadConstraints"]:
            selectors.append(constraint["labelSelector"]["matchLabels"])
    for selector in selectors:
        for pod in pods:
            assert selector.items() <= pod.items()


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_deployments_own_only_their_own_pods(folder: str) -> None:
    deployments = select_kind(render(folder), "Deployment")
    for owner in deployments:
        selector = owner["spec"]["selector"]["matchLabels"]
        owned = [
            one for one in deployments if selector.items() <= one["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert owned == [owner]


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_autoscaler_and_service_account_name_what_is_there(folder: str) -> None:
    objects = render(folder)
    present = {(obj["kind"], obj["metadata"]["name"]) for obj in objects}
    for autoscaler in select_kind(objects, "HorizontalPodAutoscaler"):
        target = autoscaler["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) in present
    for deployment in select_kind(objects, "Deployment"):
        assert ("ServiceAccount", get_pod(deployment)["serviceAccountName"]) in present


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_ports_agree_from_the_image_to_the_service(folder: str) -> None:
    objects = render(folder)
    port = read_entry_point_option("--port")
    assert get_instruction("EXPOSE") == port
    for deployment in select_kind(objects, "Deployment"):
        metrics_port = int(read_environment(deployment)["DIGITS_METRICS_PORT"])
        assert get_container(deployment)["ports"] == [
            {"name": "http", "containerPort": int(port), "protocol": "TCP"},
            {"name": "metrics", "containerPort": metrics_port, "protocol": "TCP"},
        ]
    for service in select_kind(objects, "Service"):
        # The metrics are not for the load balancer.
        assert [one["targetPort"] for one in service["spec"]["ports"]] == ["http"]
    from_anywhere, from_monitoring = get_only(objects, "NetworkPolicy")["spec"]["ingress"]
    # A number: EKS's agent wants a named port to have the same name in the Service, which it has not with TLS.
    assert from_anywhere == {"ports": [{"port": int(port), "protocol": "TCP"}]}
    assert from_monitoring["ports"] == [{"port": metrics_port, "protocol": "TCP"}]


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_metrics_are_let_out_to_the_namespace_of_the_monitoring_alone(folder: str) -> None:
    _, from_monitoring = get_only(render(folder), "NetworkPolicy")["spec"]["ingress"]
    (source,) = from_monitoring["from"]
    guide = (ROOT / "docs" / "deployment.md").read_text()
    (namespace,) = re.findall(r"kube-prometheus-stack[^`]*--namespace (\w+) --create-namespace", guide)
    assert source == {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_probes_ask_for_paths_that_the_application_answers(folder: str, app_paths: set[str]) -> None:
    for deployment in select_kind(render(folder), "Deployment"):
        container = get_container(deployment)
        expected = {"startupProbe": "/healthz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
        for probe, path in expected.items():
            assert container[probe]["httpGet"] == {"path": path, "port": "http"}
            assert path in app_paths


@pytest.mark.parametrize("folder", ON_EKS)
def test_load_balancer_asks_for_readiness_over_http(folder: str) -> None:
    objects = render(folder)
    annotations = get_only(objects, "Service")["metadata"]["annotations"]
    prefix = "service.beta.kubernetes.io/aws-load-balancer-"
    readiness = get_container(get_only(objects, "Deployment"))["readinessProbe"]["httpGet"]["path"]
    assert annotations[prefix + "healthcheck-protocol"] == "HTTP"
    assert annotations[prefix + "healthcheck-path"] == readiness
    assert annotations[prefix + "nlb-target-type"] == "ip"


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_pod_outlives_the_load_balancers_memory_of_it(folder: str) -> None:
    objects = render(folder)
    deregistration = read_service_attribute(get_only(objects, "Service"), "deregistration_delay.timeout_seconds")
    in_flight_seconds = int(read_entry_point_option("--timeout-graceful-shutdown"))
    for deployment in select_kind(objects, "Deployment"):
        sleep_seconds = get_container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain_seconds = float(read_environment(deployment)["DIGITS_DRAIN_SECONDS"])
        # Only SIGTERM makes /readyz fail, so the waiting is to be after it.
        assert 0 < sleep_seconds <= 5 <= drain_seconds
        # The balancer cuts no connection while the pod answers, and none outlives the pod.
        assert deregistration is None or drain_seconds <= int(deregistration) < sleep_seconds + drain_seconds
        grace_seconds = get_pod(deployment)["terminationGracePeriodSeconds"]
        assert grace_seconds > sleep_seconds + drain_seconds + in_flight_seconds


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_threads_match_the_cpu_limit(folder: str) -> None:
    for deployment in select_kind(render(folder), "Deployment"):
        limits = get_container(deployment)["resources"]["limits"]
        assert read_environment(deployment)["DIGITS_NUM_THREADS"] == limits["cpu"]


def test_environment_names_only_settings_that_the_application_reads() -> None:
    script = (
        "from app.settings import ENV_PREFIX, Settings; import json; "
        "print(json.dumps([ENV_PREFIX + name.upper() for name in Settings.model_fields]))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'web_service'}"}
    answer = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    container = get_container(get_only(read_objects("kube-config/gateway-deployment.yaml"), "Deployment"))
    assert {one["name"] for one in container["env"]} <= set(json.loads(answer.stdout))


def test_image_is_named_in_one_place() -> None:
    naming = [
        (path.relative_to(ROOT).as_posix(), line.strip())
        for folder in ("kube-config", "kube-overlays")
        for path in sorted((ROOT / folder).rglob("*.yaml"))
        for line in path.read_text().splitlines()
        if line.strip().removeprefix("- ").startswith(("image:", "newName:", "newTag:")) and "*" not in line
    ]
    assert naming == [
        ("kube-config/components/kserve/inferenceservice.yaml", f"image: {DEFAULT_IMAGE}"),
        ("kube-config/components/scoring/indexed-job/job.yaml", "image: digit_recognizer_scoring:v1"),
        ("kube-config/components/scoring/rayjob.yaml", "image: &image digit_recognizer_scoring:v1"),
        ("kube-config/gateway-deployment.yaml", f"image: {DEFAULT_IMAGE}"),
        (TUNE_JOB, "image: digit_recognizer_tune:v1"),
    ]


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_images_can_be_replaced_by_name(folder: str) -> None:
    images = {one["metadata"]["name"]: get_container(one)["image"] for one in select_kind(render(folder), "Deployment")}
    assert images == {"gateway": DEFAULT_IMAGE}


def test_local_overlay_runs_one_pod_behind_a_node_port() -> None:
    objects = render("kube-overlays/local")
    assert get_only(objects, "Deployment")["spec"]["replicas"] == 1
    service = get_only(objects, "Service")
    assert service["spec"]["type"] == "NodePort"
    assert "loadBalancerClass" not in service["spec"]
    assert not select_kind(objects, "HorizontalPodAutoscaler")
    assert not select_kind(objects, "PodDisruptionBudget")


@pytest.mark.parametrize("folder", ON_EKS)
def test_load_balancer_keeps_the_connections_of_a_pod_that_leaves(folder: str) -> None:
    objects = render(folder)
    service = get_only(objects, "Service")
    prefix = "target_health_state.unhealthy."
    # The default cuts them as soon as /readyz fails.
    assert read_service_attribute(service, prefix + "connection_termination.enabled") == "false"
    interval = read_service_attribute(service, prefix + "draining_interval_seconds")
    assert interval == read_environment(get_only(objects, "Deployment"))["DIGITS_DRAIN_SECONDS"]


@pytest.mark.parametrize("folder", ON_EKS)
def test_log_names_the_clients_and_not_the_load_balancer(folder: str) -> None:
    assert read_service_attribute(get_only(render(folder), "Service"), "preserve_client_ip.enabled") == "true"


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_keys_come_from_a_secret_that_may_be_missing(folder: str) -> None:
    for deployment in select_kind(render(folder), "Deployment"):
        variables = {one["name"]: one.get("valueFrom") for one in get_container(deployment)["env"]}
        for name, key in {"DIGITS_API_KEY": "key", "DIGITS_SECOND_API_KEY": "second"}.items():
            assert variables[name] == {"secretKeyRef": {"name": "gateway-api-key", "key": key, "optional": True}}


def test_deployment_alone_waits_for_the_load_balancer_and_with_the_gate_does_not() -> None:
    alone = get_only(read_objects("kube-config/gateway-deployment.yaml"), "Deployment")["spec"]
    assert alone["minReadySeconds"] >= 300
    for folder in ON_EKS:
        objects = render(folder)
        assert "minReadySeconds" not in get_only(objects, "Deployment")["spec"]
        labels = get_only(objects, "Namespace", NAMESPACE)["metadata"]["labels"]
        assert labels["eks.amazonaws.com/pod-readiness-gate-inject"] == "enabled"


def test_cluster_says_whose_kubectl_may_reach_it() -> None:
    (cluster,) = read_objects("kube-config/cluster.yaml")
    assert cluster["vpc"]["publicAccessCIDRs"]


def test_monitoring_component_adds_alerts_that_say_what_to_do(tmp_path: Path) -> None:
    component = ROOT / "kube-overlays" / "components" / "monitoring"
    # A folder beside the component, since kustomize takes relative paths only.
    relative = Path(*[".."] * len(tmp_path.resolve().relative_to("/").parts)) / component.relative_to("/")
    (tmp_path / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"namespace: {NAMESPACE}\ncomponents: [{relative}]\n"
    )
    (rules,) = select_kind(render(str(tmp_path)), "PrometheusRule")
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert len({alert["alert"] for alert in alerts}) == len(alerts) > 0
    for alert in alerts:
        assert f'namespace="{NAMESPACE}"' in alert["expr"]
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert alert["annotations"].keys() == {"summary", "runbook_url"}
