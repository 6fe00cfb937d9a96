"""What the autoscaler does under a spike and under waves: `python tests/deploy/simulate_autoscaler.py`.

The algorithm is Kubernetes's own: every 15 s desired = ceil(pods x utilisation / target), nothing within 10 % of the
target, then the policies and stabilisation windows of `behavior`.
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

SYNC_SECONDS = 15
TOLERANCE = 0.1


@dataclass(frozen=True)
class Setting:
    """The autoscaler's settings, the pod's resources, and two things that were measured or assumed.

    Attributes:
        requests_per_core_second: Measured; docs/capacity.md says how.
        start_seconds: From the decision to the first request of a new pod, with a new node and the load balancer's
            registration: assumed.
    """

    target: float = 0.7
    min_pods: int = 3
    max_pods: int = 20
    up_percent: float = 100
    up_pods: int = 4
    down_percent: float = 25
    down_window_seconds: int = 300
    cpu_request: float = 0.5
    cpu_limit: float = 1.0
    requests_per_core_second: float = 1000
    start_seconds: int = 390


@dataclass(frozen=True)
class Outcome:
    """How a run went.

    Attributes:
        overloaded_seconds: In which more came than the ready pods can answer.
        excess_percent: Of all requests, those beyond that.
        changes: How often the number of pods changed.
    """

    overloaded_seconds: int
    excess_percent: float
    most_pods: int
    pod_hours: float
    changes: int


def simulate(setting: Setting, load: Callable[[int], float], seconds: int) -> Outcome:
    """Run the autoscaler against a load in requests per second."""
    pods = setting.min_pods
    starting: list[int] = []
    wishes: list[tuple[int, int]] = []
    history: list[int] = []
    used_cores: list[float] = []
    overloaded, excess, offered, most, changes = 0, 0.0, 0.0, pods, 0
    for now in range(seconds):
        starting = [ready_at for ready_at in starting if ready_at > now]
        ready = pods - len(starting)
        capacity = ready * setting.cpu_limit * setting.requests_per_core_second
        offered += load(now)
        excess += max(0.0, load(now) - capacity)
        overloaded += load(now) > capacity
        used_cores.append(min(load(now), capacity) / setting.requests_per_core_second)
        history.append(pods)
        if now == 0 or now % SYNC_SECONDS:
            continue
        # Pods that are not ready yet count as idle, as Kubernetes counts them when it scales up.
        utilisation = sum(used_cores[-SYNC_SECONDS:]) / SYNC_SECONDS / pods / setting.cpu_request
        wish = (
            pods
            if abs(utilisation / setting.target - 1) <= TOLERANCE
            else math.ceil(pods * utilisation / setting.target)
        )
        wishes.append((now, wish))
        decided = _limit(setting, pods, wishes, history)
        starting = starting + [now + setting.start_seconds] * max(0, decided - pods)
        starting = starting[: max(0, decided - 1)] if decided < pods else starting
        changes += decided != pods
        pods = decided
        most = max(most, pods)
    return Outcome(overloaded, 100 * excess / offered, most, sum(history) / 3600, changes)


def _limit(setting: Setting, pods: int, wishes: list[tuple[int, int]], history: list[int]) -> int:
    now, wish = wishes[-1]
    if wish > pods:
        before = history[max(0, now - 15)]
        most = max(math.ceil(before * (1 + setting.up_percent / 100)), before + setting.up_pods)
        return min(wish, max(most, pods), setting.max_pods)
    # Downwards the highest wish of the window counts.
    wish = max(wanted for then, wanted in wishes if then >= now - setting.down_window_seconds)
    before = history[max(0, now - 60)]
    least = math.ceil(before * (1 - setting.down_percent / 100))
    return max(min(wish, pods), min(least, pods), setting.min_pods)


def spike(second: int) -> float:
    """875 requests a second, and from the 5th to the 15th minute five times as many."""
    return 4375 if 300 <= second < 900 else 875


def waves(second: int) -> float:
    """One minute in four has three times the load of the others."""
    return 2625 if second % 240 >= 180 else 875


def list_rows() -> Iterator[tuple[str, str, Outcome]]:
    """Every setting under every load, for two hours' waves and half an hour's spike."""
    committed = Setting()
    settings = {
        "committed": committed,
        "target 90 %": replace(committed, target=0.9),
        "target 50 %": replace(committed, target=0.5),
        "up by 1 pod per 15 s": replace(committed, up_percent=0, up_pods=1),
        "down at once": replace(committed, down_window_seconds=0, down_percent=100),
        "limit = request": replace(committed, cpu_limit=0.5),
    }
    for name, setting in settings.items():
        yield "spike", name, simulate(setting, spike, 1800)
        yield "waves", name, simulate(setting, waves, 7200)


if __name__ == "__main__":
    print("| load | setting | overloaded, s | beyond capacity, % | most pods | pod-hours | changes |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for load_name, setting_name, outcome in sorted(list_rows(), key=lambda row: row[0]):
        print(
            f"| {load_name} | {setting_name} | {outcome.overloaded_seconds} | {outcome.excess_percent:.1f} | "
            f"{outcome.most_pods} | {outcome.pod_hours:.1f} | {outcome.changes} |"
        )
