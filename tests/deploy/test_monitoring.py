"""Dashboard and alerts name what the service really tells, and are rendered beside each other."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.errors.paths import HEALTH_PATHS
from tests.deploy.manifests import (
    KUSTOMIZATIONS,
    ROOT,
    Object,
    get_container,
    get_only,
    read_environment,
    read_objects,
    render,
    validate,
)
from tests.service.server import Server, copy_model, serve

COMPONENT = ROOT / "kube-overlays" / "components" / "monitoring"
# What Prometheus adds to every sample of a pod.
TARGET_LABELS = {"namespace", "pod"}
STATISTICS = {"mean_ink": 33.3, "centre_row": 13.5, "centre_column": 13.5, "confidence": 0.99}

ASKED_FOR = ("/predict", "/predict/batch", "/predict/image", "/read", "/v2/models/digits/infer", "other")

Labels = dict[str, set[str]]


def list_rules() -> list[Object]:
    (rules,) = read_objects("kube-overlays/components/monitoring/alerts.yaml")
    return [rule for group in rules["spec"]["groups"] for rule in group["rules"]]


def list_expressions() -> list[str]:
    """Return every expression of dashboard and alerts that reads the service's own metrics."""
    dashboard = json.loads((COMPONENT / "dashboard.json").read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    found += [rule["expr"] for rule in list_rules()]
    return [one for one in found if re.search(r"\b(digits|process)_", re.sub(r'"[^"]*"', "", one))]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labels]:
    """The names of the samples that the service tells, each with its labels."""
    folder = tmp_path_factory.mktemp("monitored")
    model = copy_model(folder / "digits.h5", {"input_statistics": STATISTICS})
    with serve(folder, DIGITS_MODEL_PATH=str(model)) as server:
        yield read_labels(server)


def read_labels(server: Server) -> Labels:
    server.request("POST", "/predict", (ROOT / "row_data.json").read_bytes(), {"Content-Type": "application/json"})
    families = text_string_to_metric_families(server.request("GET", "/metrics").body.decode())
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


@pytest.mark.parametrize("expression", list_expressions())
def test_expression_names_metrics_and_labels_that_exist(known: Labels, expression: str) -> None:
    unquoted = re.sub(r'"[^"]*"', "", expression)
    names = set(re.findall(r"\b(?:digits|process)_\w+", unquoted))
    assert names
    assert names <= known.keys()
    labels = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", unquoted))
    labels |= {name for listed in re.findall(r"\bby \(([^)]*)\)", unquoted) for name in listed.split(", ")}
    assert labels <= TARGET_LABELS.union(*(known[name] for name in names))


def test_alerts_take_shares_of_what_clients_ask_for() -> None:
    shares = [rule["expr"] for rule in list_rules() if "/ sum(rate(digits_http_requests_total" in rule["expr"]]
    assert len(shares) == 3
    for expression in shares:
        (left_out,) = re.findall(
            r'/ sum\(rate\(digits_http_requests_total{namespace="digits", route!~"([^"]*)"}', expression
        )
        assert [path for path in HEALTH_PATHS if not re.fullmatch(left_out, path)] == []
        assert [path for path in ASKED_FOR if re.fullmatch(left_out, path)] == []


@pytest.mark.parametrize("rule", list_rules(), ids=lambda rule: rule["alert"])
def test_alert_links_to_its_heading(rule: Object) -> None:
    document, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^## (.+)$", (ROOT / document).read_text(), re.MULTILINE)
    assert rule["alert"] in headings
    assert anchor == rule["alert"].lower()


@pytest.mark.parametrize("rule", list_rules(), ids=lambda rule: rule["alert"])
def test_runbook_says_what_it_is_and_what_to_do(rule: Object) -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    section = text.partition(f"\n## {rule['alert']}\n")[2].partition("\n## ")[0]
    assert "**Look:**" in section
    assert "**Do:**" in section


def test_prometheus_reads_the_alerts(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus), so it does not check the alerts")
    (rules,) = read_objects("kube-overlays/components/monitoring/alerts.yaml")
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rules["spec"]))
    checked = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_installation_takes_everybodys_monitors_and_finds_the_dashboard() -> None:
    (values,) = read_objects("kube-overlays/components/monitoring/helm-values.yaml")
    prometheus = values["prometheus"]["prometheusSpec"]
    assert prometheus["serviceMonitorSelectorNilUsesHelmValues"] is False
    assert prometheus["ruleSelectorNilUsesHelmValues"] is False
    assert values["grafana"]["sidecar"]["dashboards"]["searchNamespace"] == "ALL"
    guide = (ROOT / "docs" / "deployment.md").read_text()
    assert re.search(r"helm upgrade --install .*kube-prometheus-stack[\s\\]+--version \d+\.\d+\.\d+", guide)
    assert "kube-overlays/components/monitoring/helm-values.yaml" in guide


def test_dashboard_shows_every_metric_of_the_service(known: Labels) -> None:
    shown = " ".join(list_expressions())
    families = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in known if name.startswith("digits_")}
    assert not [name for name in families if name not in shown]


def test_dashboard_panels_do_not_cover_each_other() -> None:
    panels = json.loads((COMPONENT / "dashboard.json").read_text())["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels) == len({panel["id"] for panel in panels})
    assert all(panel["description"] for panel in panels)


def render_with(tmp_path: Path, component: Path, resources: str = "[]") -> list[Object]:
    """Render an overlay that adds a component; kustomize takes only relative paths."""
    upwards = Path(*[".."] * len(tmp_path.resolve().relative_to("/").parts))
    (tmp_path / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"resources: {resources.replace('ROOT', str(upwards / ROOT.relative_to('/')))}\n"
        f"components: [{upwards / component.relative_to('/')}]\n"
    )
    return render(str(tmp_path))


def test_component_adds_dashboard_and_monitor(tmp_path: Path) -> None:
    objects = render_with(tmp_path, COMPONENT)
    dashboard = get_only(objects, "ConfigMap", "digits-dashboard")
    assert dashboard["metadata"]["labels"] == {"grafana_dashboard": "1"}
    assert json.loads(dashboard["data"]["dashboard.json"])["uid"] == "digits"
    (endpoint,) = get_only(objects, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["path"] == "/metrics"


@pytest.mark.parametrize("overlay", KUSTOMIZATIONS)
def test_component_lands_in_the_gateways_namespace(tmp_path: Path, overlay: str) -> None:
    objects = render_with(tmp_path, COMPONENT, f"[ROOT/{overlay}]")
    added = [get_only(objects, "ConfigMap", "digits-dashboard")]
    added += [get_only(objects, kind) for kind in ("ServiceMonitor", "PrometheusRule")]
    gateway = get_only(objects, "Deployment")
    assert {one["metadata"].get("namespace") for one in added} == {gateway["metadata"]["namespace"]} == {"digits"}


@pytest.mark.parametrize("overlay", KUSTOMIZATIONS)
def test_monitor_selects_the_gateways_service_and_a_port_of_its_pods(tmp_path: Path, overlay: str) -> None:
    objects = render_with(tmp_path, COMPONENT, f"[ROOT/{overlay}]")
    monitor, service = get_only(objects, "ServiceMonitor")["spec"], get_only(objects, "Service")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    # `port` would be looked for among the service's ports, `targetPort` is among the pod's.
    assert "port" not in endpoint
    gateway = get_only(objects, "Deployment")
    ports = {one["name"]: one["containerPort"] for one in get_container(gateway)["ports"]}
    assert str(ports[endpoint["targetPort"]]) == read_environment(gateway)["DIGITS_METRICS_PORT"]


def test_autoscaler_can_go_by_requests_in_flight_beside_cpu(tmp_path: Path, known: Labels) -> None:
    component = ROOT / "kube-overlays" / "components" / "requests-in-flight"
    autoscaler = get_only(render_with(tmp_path, component, "[ROOT/kube-config]"), "HorizontalPodAutoscaler")
    cpu, in_flight = autoscaler["spec"]["metrics"]
    assert cpu["resource"]["name"] == "cpu"
    assert in_flight["pods"]["metric"]["name"] in known
    validate(autoscaler)
