"""By the simulation a rollout with the committed settings drops nothing; the deadlines are sums of its clocks."""

import re
from dataclasses import replace

import pytest

from tests.deploy.manifests import (
    ON_EKS,
    ROOT,
    Object,
    get_container,
    get_only,
    get_pod,
    read_entry_point_option,
    read_environment,
    read_objects,
    render,
)
from tests.deploy.simulate_rollout import (
    ALONE,
    CLOCKS,
    COMMITTED,
    HOPED,
    LONGEST,
    NOT_HEEDED,
    Setting,
    simulate,
)

FILE = "kube-config/gateway-deployment.yaml"


def read_setting(deployment: Object, base: Setting) -> Setting:
    """Return what a Deployment sets, and `base` for what it does not say."""
    rolling = deployment["spec"]["strategy"]["rollingUpdate"]
    assert rolling["maxUnavailable"] == 0
    return replace(
        base,
        surge=int(rolling["maxSurge"].removesuffix("%")) / 100,
        min_ready_seconds=deployment["spec"].get("minReadySeconds", 0),
        pre_stop_seconds=get_container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"],
        drain_seconds=int(read_environment(deployment)["DIGITS_DRAIN_SECONDS"]),
    )


def test_simulated_settings_are_the_committed_ones() -> None:
    production = render("kube-overlays/production")
    assert read_setting(get_only(production, "Deployment"), COMMITTED) == COMMITTED
    assert get_only(production, "HorizontalPodAutoscaler")["spec"]["minReplicas"] == COMMITTED.pods
    alone = get_only(read_objects(FILE), "Deployment")
    assert read_setting(alone, ALONE) == ALONE
    assert alone["spec"]["replicas"] == ALONE.pods


@pytest.mark.parametrize("setting", [COMMITTED, ALONE], ids=["committed", "alone"])
@pytest.mark.parametrize("pods", [2, 3, 4, 9, 20])
@pytest.mark.parametrize("clocks", [HOPED, LONGEST, NOT_HEEDED], ids=["hoped", "longest", "not heeded"])
def test_rollout_drops_nothing(setting: Setting, pods: int, clocks: object) -> None:
    outcome = simulate(replace(setting, pods=pods), clocks)
    assert outcome.dropped_percent == 0
    assert outcome.short_seconds == 0


def test_rollout_would_drop_without_what_was_added() -> None:
    before = Setting(surge=1 / 3, pre_stop_seconds=120, drain_seconds=5, stays_ready=True)
    assert simulate(before, LONGEST).dropped_percent > 5
    assert simulate(replace(ALONE, min_ready_seconds=0), LONGEST).dropped_percent > 5
    assert simulate(replace(COMMITTED, drain_seconds=180), NOT_HEEDED).dropped_percent > 5


def test_longer_drain_costs_the_rollout_neither_time_nor_pods() -> None:
    shorter = replace(COMMITTED, drain_seconds=180)
    for clocks in CLOCKS.values():
        before, now = simulate(shorter, clocks), simulate(COMMITTED, clocks)
        assert (now.rollout_seconds, now.most_pods) == (before.rollout_seconds, before.most_pods)


@pytest.mark.parametrize("place", [FILE, *ON_EKS])
def test_deadlines_are_longer_than_the_clocks_together(place: str) -> None:
    deployment = get_only(read_objects(place) if place == FILE else render(place), "Deployment")
    spec = deployment["spec"]
    slowest = max(CLOCKS.values(), key=lambda clocks: clocks.register_seconds)
    startup = get_container(deployment)["startupProbe"]
    start_seconds = startup["periodSeconds"] * startup["failureThreshold"]
    # With the gate a pod waits for the load balancer, without it for minReadySeconds.
    pod_seconds = slowest.node_seconds + start_seconds + slowest.register_seconds
    assert spec.get("minReadySeconds", 0) <= slowest.register_seconds
    assert spec["progressDeadlineSeconds"] > pod_seconds
    (timeout_minutes,) = re.findall(
        r"rollout status deployment/gateway --timeout (\d+)m", (ROOT / "Makefile").read_text()
    )
    # Two waves, however many pods.
    assert int(timeout_minutes) * 60 >= 2 * spec["progressDeadlineSeconds"]


@pytest.mark.parametrize("folder", ON_EKS)
def test_pod_is_killed_only_after_its_last_request(folder: str) -> None:
    deployment = get_only(render(folder), "Deployment")
    setting = read_setting(deployment, COMMITTED)
    in_flight_seconds = int(read_entry_point_option("--timeout-graceful-shutdown"))
    served_seconds = setting.pre_stop_seconds + setting.drain_seconds + in_flight_seconds
    assert get_pod(deployment)["terminationGracePeriodSeconds"] > served_seconds
