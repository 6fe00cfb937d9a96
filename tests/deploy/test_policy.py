"""What an operator demands of every workload, rule by rule, for each folder that can be applied."""

import re

import pytest

from tests.deploy.manifests import (
    KUSTOMIZATIONS,
    ON_EKS,
    ROOT,
    get_container,
    get_only,
    get_pod,
    read_objects,
    render,
    select_kind,
)


@pytest.fixture(params=["kube-config/gateway-deployment.yaml", *KUSTOMIZATIONS])
def deployments(request: pytest.FixtureRequest) -> list[dict]:
    place: str = request.param
    return select_kind(read_objects(place) if place.endswith(".yaml") else render(place), "Deployment")


def test_pod_runs_as_a_numeric_user_that_is_not_root(deployments: list[dict]) -> None:
    for deployment in deployments:
        context = get_pod(deployment)["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] >= 10000
        assert context["runAsGroup"] >= 10000
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_container_can_gain_no_right_and_write_only_to_tmp(deployments: list[dict]) -> None:
    for deployment in deployments:
        container = get_container(deployment)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
        for volume in get_pod(deployment)["volumes"]:
            assert "sizeLimit" in volume["emptyDir"]


def test_pod_shares_nothing_with_its_node_and_holds_no_token(deployments: list[dict]) -> None:
    for deployment in deployments:
        pod = get_pod(deployment)
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False


def test_container_states_requests_and_limits(deployments: list[dict]) -> None:
    for deployment in deployments:
        resources = get_container(deployment)["resources"]
        assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}
        # What a pod may take is kept free for it, so a node never runs out of memory.
        assert resources["requests"]["memory"] == resources["limits"]["memory"]


def test_container_has_all_three_probes_with_timeouts(deployments: list[dict]) -> None:
    for deployment in deployments:
        container = get_container(deployment)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["timeoutSeconds"] >= 1
            assert container[probe]["failureThreshold"] >= 2


def test_image_has_a_tag_that_is_not_latest(deployments: list[dict]) -> None:
    for deployment in deployments:
        assert re.fullmatch(r"[a-z_]+:(?!latest)[\w.-]+", get_container(deployment)["image"])


def test_rollout_never_has_fewer_pods_than_before(deployments: list[dict]) -> None:
    for deployment in deployments:
        strategy = deployment["spec"]["strategy"]
        assert strategy["type"] == "RollingUpdate"
        assert strategy["rollingUpdate"]["maxUnavailable"] == 0


def test_pods_spread_over_zones(deployments: list[dict]) -> None:
    for deployment in deployments:
        keys = [one["topologyKey"] for one in get_pod(deployment)["topologySpreadConstraints"]]
        assert keys[0] == "topology.kubernetes.io/zone"


def test_production_wishes_for_nothing_that_karpenter_would_demand() -> None:
    """Karpenter treats a wish as a demand first, and would start a node for each pod."""
    (zones,) = get_pod(get_only(render("kube-overlays/production"), "Deployment"))["topologySpreadConstraints"]
    assert zones["whenUnsatisfiable"] == "DoNotSchedule"


def test_production_runs_on_both_processors() -> None:
    assert get_pod(get_only(render("kube-overlays/production"), "Deployment"))["nodeSelector"] == {
        "kubernetes.io/os": "linux"
    }


@pytest.mark.parametrize("folder", ON_EKS)
def test_autoscaler_rules_alone_and_keeps_a_spare(folder: str) -> None:
    objects = render(folder)
    autoscaler = get_only(objects, "HorizontalPodAutoscaler")["spec"]
    assert 2 <= autoscaler["minReplicas"] < autoscaler["maxReplicas"]
    assert autoscaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 300
    # A number in the manifest would reset the autoscaler's at every deploy.
    assert "replicas" not in get_only(objects, "Deployment")["spec"]


@pytest.mark.parametrize("folder", ON_EKS)
def test_budget_lets_nodes_be_drained(folder: str) -> None:
    budget = get_only(render(folder), "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_namespace_enforces_the_restricted_standard(folder: str) -> None:
    labels = get_only(render(folder), "Namespace", "digits")["metadata"]["labels"]
    for mode in ("enforce", "warn", "audit"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_service_account_has_no_token(folder: str) -> None:
    for account in select_kind(render(folder), "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_network_lets_in_one_port_and_nothing_out(folder: str) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in select_kind(render(folder), "NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert policies["gateway"]["policyTypes"] == ["Ingress", "Egress"]
    assert not policies["gateway"].get("egress")


def test_files_hold_no_account_number() -> None:
    kept = [
        *(ROOT / "kube-config").rglob("*.yaml"),
        *(ROOT / "kube-overlays").rglob("*.yaml"),
        *(ROOT / "docs").glob("*.md"),
    ]
    for path in kept:
        assert not re.search(r"(?<![0-9a-f])[0-9]{12}(?![0-9a-f])", path.read_text()), path
