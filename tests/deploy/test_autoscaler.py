"""The autoscaler's settings are those that were simulated, and the simulation shows why they are as they are."""

from dataclasses import replace

from tests.deploy.manifests import get_container, get_only, render
from tests.deploy.simulate_autoscaler import Setting, simulate, spike, waves


def test_simulated_settings_are_the_committed_ones() -> None:
    objects = render("kube-overlays/production")
    autoscaler = get_only(objects, "HorizontalPodAutoscaler")["spec"]
    resources = get_container(get_only(objects, "Deployment"))["resources"]
    up, down = autoscaler["behavior"]["scaleUp"], autoscaler["behavior"]["scaleDown"]
    policies = {policy["type"]: policy for policy in up["policies"]}
    assert {policy["periodSeconds"] for policy in up["policies"]} == {15}
    assert [policy["periodSeconds"] for policy in down["policies"]] == [60]
    expected = Setting()
    assert expected == replace(
        expected,
        target=autoscaler["metrics"][0]["resource"]["target"]["averageUtilization"] / 100,
        min_pods=autoscaler["minReplicas"],
        max_pods=autoscaler["maxReplicas"],
        up_percent=policies["Percent"]["value"],
        up_pods=policies["Pods"]["value"],
        down_percent=down["policies"][0]["value"],
        down_window_seconds=down["stabilizationWindowSeconds"],
        cpu_request=int(resources["requests"]["cpu"].removesuffix("m")) / 1000,
        cpu_limit=float(resources["limits"]["cpu"]),
    )


def test_spike_is_over_once_the_first_new_pods_are_ready() -> None:
    setting = Setting()
    assert simulate(setting, spike, 1800).overloaded_seconds <= setting.start_seconds + 15


def test_limit_above_the_request_carries_the_first_minutes_of_a_spike() -> None:
    committed = simulate(Setting(), spike, 1800)
    without_room = simulate(replace(Setting(), cpu_limit=0.5), spike, 1800)
    assert committed.excess_percent < without_room.excess_percent / 2


def test_scale_down_window_rides_out_waves() -> None:
    committed = simulate(Setting(), waves, 7200)
    at_once = simulate(replace(Setting(), down_window_seconds=0, down_percent=100), waves, 7200)
    assert committed.changes <= 2
    assert at_once.changes > 20 * committed.changes


def test_steady_load_changes_nothing() -> None:
    assert simulate(Setting(), lambda second: 875, 3600).changes == 0
