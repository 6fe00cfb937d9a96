"""The service with Prometheus and Grafana on one machine: web_service/compose.yaml, and what it mounts.

`python -m tests.deploy.test_compose` writes web_service/compose.rules.yaml anew from the cluster's alerts.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.deploy.manifests import (
    DEFAULT_IMAGE,
    ROOT,
    get_container,
    get_instruction,
    get_only,
    read_environment,
    read_objects,
)
from tests.service.middleware.test_metrics_port import find_free_port
from tests.service.server import Server, attempt, serve

FOLDER = ROOT / "web_service"
RULES = FOLDER / "compose.rules.yaml"
ALERTS = "kube-overlays/components/monitoring/alerts.yaml"
DASHBOARD = "kube-overlays/components/monitoring/dashboard.json"
NUM_REQUESTS = 5


def write_rules() -> str:
    """Return the alerts that need nothing but the service's own metrics, as Prometheus itself reads them."""
    (alerts,) = read_objects(ALERTS)
    groups = [group for group in alerts["spec"]["groups"] if group["name"] == "digits-service"]
    head = f"# Made from {ALERTS} by `python -m tests.deploy.test_compose`; change it there.\n"
    return head + yaml.safe_dump({"groups": groups}, sort_keys=False, width=120)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    return content


def read_config(compose: dict[str, Any], name: str) -> Any:
    """Return the content of a file that stands in compose.yaml, which would put variables in the place of `$`."""
    text = compose["configs"][name]["content"]
    assert "$" not in text
    return yaml.safe_load(text)


def test_rules_are_the_clusters_alerts() -> None:
    assert RULES.read_text() == write_rules()


def test_every_mounted_file_and_config_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (FOLDER / source).is_file() if "/" in source else source in compose["volumes"]
        assert all(config["source"] in compose["configs"] for config in service.get("configs", ()))


def test_service_is_built_and_confined_as_in_the_cluster(compose: dict[str, Any]) -> None:
    gateway = compose["services"]["gateway"]
    assert gateway["image"] == DEFAULT_IMAGE
    assert (FOLDER / gateway["build"]["context"] / gateway["build"]["dockerfile"]).resolve() == FOLDER / "Dockerfile"
    deployment = get_only(read_objects("kube-config/gateway-deployment.yaml"), "Deployment")
    port = get_instruction("EXPOSE")
    assert gateway["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert gateway["environment"]["DIGITS_METRICS_PORT"] == read_environment(deployment)["DIGITS_METRICS_PORT"]
    limits = get_container(deployment)["resources"]["limits"]
    assert (gateway["mem_limit"], gateway["cpus"]) == (limits["memory"].replace("Mi", "m"), int(limits["cpu"]))
    assert (gateway["read_only"], gateway["cap_drop"]) == (True, ["ALL"])


def test_every_port_is_open_to_this_machine_alone(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service["ports"]]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_images_of_others_have_exact_versions(compose: dict[str, Any]) -> None:
    images = [service["image"] for name, service in compose["services"].items() if name != "gateway"]
    assert len(images) == 2
    assert all(re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", image) for image in images)
    (updates,) = (
        one
        for one in yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
        if one["package-ecosystem"] == "docker-compose"
    )
    assert updates["directory"] == "/web_service"


def test_grafana_finds_prometheus_and_the_dashboard(compose: dict[str, Any]) -> None:
    grafana, prometheus = compose["services"]["grafana"], compose["services"]["prometheus"]
    (source,) = read_config(compose, "datasource")["datasources"]
    port = prometheus["ports"][0].split(":")[-1]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", f"http://prometheus:{port}", True)
    (provider,) = read_config(compose, "dashboards")["providers"]
    (volume,) = grafana["volumes"]
    mounted, inside, _ = volume.split(":")
    assert (FOLDER / mounted).resolve() == ROOT / DASHBOARD
    assert inside == grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert str(Path(inside).parent) == provider["options"]["path"]


@contextmanager
def run_prometheus(folder: Path, compose: dict[str, Any], service_port: int) -> Iterator[Server]:
    """Run Debian's Prometheus with the files of compose.yaml, which scrapes more often here."""
    config = compose["configs"]["prometheus"]["content"]
    assert config.count("gateway:9464") == 1
    config = config.replace("gateway:9464", f"127.0.0.1:{service_port}").replace("15s", "1s")
    (folder / "prometheus.yml").write_text(config)
    shutil.copy(RULES, folder / "rules.yaml")
    port = find_free_port()
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    log_path = folder / "prometheus.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", *options, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        prometheus = Server(process, port, log_path)
        prometheus.wait_for("/-/ready")
        yield prometheus
    finally:
        process.terminate()
        process.wait()


def query(prometheus: Server, expression: str) -> list[Any]:
    answer = prometheus.request("GET", f"/api/v1/query?query={quote(expression)}").json
    assert answer["status"] == "success", (expression, answer)
    result: list[Any] = answer["data"]["result"]
    return result


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="no Prometheus: apt-get install prometheus")
def test_prometheus_scrapes_the_service_and_evaluates_alerts_and_dashboard(
    tmp_path: Path, compose: dict[str, Any]
) -> None:
    row = json.loads((ROOT / "row_data.json").read_text())
    port = find_free_port()
    with serve(tmp_path, DIGITS_METRICS_PORT=str(port)) as server, run_prometheus(tmp_path, compose, port) as found:
        counted = 'digits_http_requests_total{namespace="digits", pod="gateway", route="/predict", status="200"}'
        for _ in range(NUM_REQUESTS):
            assert server.post(row).status == 200
        values = next(values for _ in attempt() if (values := query(found, f"{counted} == {NUM_REQUESTS}")))
        assert len(values) == 1
        assert [one["value"][1] for one in query(found, 'up{namespace="digits"}')] == ["1"]
        # A rate needs two scrapes.
        for _ in attempt():
            if query(found, 'count_over_time(up{namespace="digits"}[1m]) >= 3'):
                break
        (group,) = found.request("GET", "/api/v1/rules").json["data"]["groups"]
        names = {rule["name"] for rule in group["rules"]}
        assert names == {rule["alert"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}
        assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
        empty = [
            target["expr"]
            for panel in json.loads((ROOT / DASHBOARD).read_text())["panels"]
            for target in panel["targets"]
            if not query(found, target["expr"].replace("$__rate_interval", "1m"))
        ]
        assert all("digits_rejected_requests_total" in expression for expression in empty), "nothing was refused"


if __name__ == "__main__":
    RULES.write_text(write_rules())
