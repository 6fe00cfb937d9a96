"""Production with its components, in every combination, as kube-overlays/render.sh puts them together."""

import re
from functools import cache
from itertools import chain, combinations

import pytest
import yaml

from tests.deploy.manifests import ROOT, Object, get_container, get_only, get_pod, select_kind, validate
from tests.deploy.test_render import CERTIFICATE, IMAGE, RUNBOOKS, run

NAMES = ("canary", "tls", "known-clients", "requests-in-flight", "opentelemetry", "monitoring")
COMBINATIONS = tuple(chain.from_iterable(combinations(NAMES, size) for size in range(len(NAMES) + 1)))
NEXT_IMAGE = "registry/next:2"
CLIENTS = "203.0.113.7/32,198.51.100.0/24"
# Of the Prometheus operator, which kubernetes-validate does not know.
FOREIGN_KINDS = {"PrometheusRule", "ServiceMonitor"}
ANNOTATION = "service.beta.kubernetes.io/aws-load-balancer-"


@cache
def render_with(names: tuple[str, ...]) -> list[Object]:
    rendered = run(
        "production",
        IMAGE=IMAGE,
        # The other way round, since the order in which they are named must not matter.
        COMPONENTS=" ".join(reversed(names)),
        CERTIFICATE=CERTIFICATE,
        CANARY_IMAGE=NEXT_IMAGE,
        CLIENTS=CLIENTS,
        RUNBOOKS=RUNBOOKS,
    )
    assert rendered.returncode == 0, rendered.stderr
    return list(yaml.safe_load_all(rendered.stdout))


def test_every_component_is_rendered() -> None:
    folders = {path.parent.name for path in (ROOT / "kube-overlays" / "components").glob("*/kustomization.yaml")}
    assert folders == set(NAMES)


@pytest.mark.parametrize("names", COMBINATIONS, ids="+".join)
def test_combination_keeps_what_each_component_adds(names: tuple[str, ...]) -> None:
    objects = render_with(names)
    for one in objects:
        if one["kind"] not in FOREIGN_KINDS:
            validate(one)
    service = get_only(objects, "Service")
    annotations = service["metadata"]["annotations"]
    assert annotations.get(ANNOTATION + "ssl-cert") == (CERTIFICATE if "tls" in names else None)
    assert [port["port"] for port in service["spec"]["ports"]] == ([443] if "tls" in names else [80])
    if "tls" in names:
        assert annotations[ANNOTATION + "ssl-ports"] == "443"
    assert service["spec"].get("loadBalancerSourceRanges") == (CLIENTS.split(",") if "known-clients" in names else None)
    deployments = {one["metadata"]["name"]: one for one in select_kind(objects, "Deployment")}
    images = {name: get_container(one)["image"] for name, one in deployments.items()}
    assert images == {"gateway": IMAGE} | ({"gateway-canary": NEXT_IMAGE} if "canary" in names else {})
    metrics = get_only(objects, "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert len(metrics) == (2 if "requests-in-flight" in names else 1)
    policies = {one["metadata"]["name"] for one in select_kind(objects, "NetworkPolicy")}
    assert ("gateway-opentelemetry" in policies) == ("opentelemetry" in names)
    assert bool(select_kind(objects, "ServiceMonitor")) == ("monitoring" in names)
    assert {one["metadata"].get("namespace") for one in objects if one["kind"] != "Namespace"} == {"digits"}


def test_canary_is_production_with_another_image_and_its_own_label() -> None:
    objects = render_with(NAMES)
    stable, canary = get_only(objects, "Deployment"), get_only(objects, "Deployment", "gateway-canary")
    assert canary["spec"]["selector"]["matchLabels"]["track"] == "canary"
    for deployment in (stable, canary):
        deployment["spec"]["template"]["metadata"]["labels"].pop("track")
        get_container(deployment).pop("image")
    assert get_pod(canary) == get_pod(stable)
    assert canary["spec"]["template"] == stable["spec"]["template"]
    render_with.cache_clear()


def test_each_alert_links_to_its_heading_of_the_runbook() -> None:
    rules = get_only(render_with(("monitoring",)), "PrometheusRule")
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    for alert in (rule for group in rules["spec"]["groups"] for rule in group["rules"]):
        assert alert["alert"] in headings
        # As GitHub makes an anchor of a heading.
        assert alert["annotations"]["runbook_url"] == f"{RUNBOOKS}#{alert['alert'].lower()}"


def test_guide_names_what_each_component_leaves_behind() -> None:
    guide = (ROOT / "docs" / "deployment.md").read_text()
    section = guide.partition("| component | leaves behind |")[2].partition("\n\n")[0]
    told = dict(re.findall(r"^\| ([a-z-]+) \| `kubectl --namespace digits delete (.*)` \|$", section, re.MULTILINE))
    for name in NAMES:
        before, after = (
            {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in render_with(chosen)}
            for chosen in ((), (name,))
        )
        assert set(told.get(name, "").split()) == after - before, name


def test_canary_gets_at_most_a_tenth() -> None:
    objects = render_with(("canary",))
    canary = get_only(objects, "Deployment", "gateway-canary")["spec"]["replicas"]
    stable = get_only(objects, "HorizontalPodAutoscaler")["spec"]["minReplicas"]
    assert canary / (canary + stable) <= 0.1


def test_opentelemetry_lets_out_to_a_collector_and_to_names_alone() -> None:
    policy = get_only(render_with(("opentelemetry",)), "NetworkPolicy", "gateway-opentelemetry")["spec"]
    collector, names = policy["egress"]
    assert policy["policyTypes"] == ["Egress"]
    assert [port["port"] for port in collector["ports"]] == [4317, 4318]
    assert len(collector["to"]) == 1
    assert "to" not in names
    assert {port["port"] for port in names["ports"]} == {53}
