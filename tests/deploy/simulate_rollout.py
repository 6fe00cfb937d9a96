"""What a rollout drops at the load balancer: `python tests/deploy/simulate_rollout.py`.

Second by second: the Deployment's controller starts and ends pods. The load balancer learns of both later, and sends
the requests to the pods that it knows. A request is dropped if it reaches a pod that does not listen yet or no longer.

How late the load balancer learns of a pod is no setting of ours. Those who make its controller name 90 s to 5 minutes
for a new one, and others measured 2 minutes and more for one that leaves:
https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/1834
https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/2366
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

REQUESTS_PER_SECOND = 875
"""As in simulate_autoscaler.py."""
MOST_SECONDS = 7200


@dataclass(frozen=True)
class Clocks:
    """What the cloud takes, in seconds.

    Attributes:
        node_seconds: From a pod's creation until its node runs: assumed.
        start_seconds: From the node to a pod that is ready: assumed; it is about one second where the CPU is free.
        register_seconds: From a ready pod to the first request that the load balancer sends it.
        deregister_seconds: From a pod's end being announced to the last new connection that it gets.
        unhealthy_seconds: From a failing /readyz to that last connection: two health checks of 10 s, and 40 s until
            every part of the load balancer knows. None: it does not heed the health check of a pod that leaves.
    """

    node_seconds: int = 90
    start_seconds: int = 10
    register_seconds: int = 300
    deregister_seconds: int = 300
    unhealthy_seconds: int | None = 60


@dataclass(frozen=True)
class Setting:
    """The manifests' settings.

    Attributes:
        has_gate: Whether a pod is ready only once the load balancer finds it healthy (the readiness gate).
        stays_ready: Whether /readyz answers 200 until the end, as it did while all the waiting was in preStop.
    """

    pods: int = 3
    surge: float = 0.5
    has_gate: bool = True
    min_ready_seconds: int = 0
    pre_stop_seconds: int = 5
    drain_seconds: int = 300
    stays_ready: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a rollout went.

    Attributes:
        dropped_percent: Of the requests from the rollout's start to the end of the last old pod.
        short_seconds: In which fewer pods answered requests than before the rollout.
        rollout_seconds: Until the new pods were all available, as `kubectl rollout status` waits.
        most_pods: With those that are about to end.
    """

    dropped_percent: float
    short_seconds: int
    rollout_seconds: int
    most_pods: int


@dataclass
class _Pod:
    """When a pod begins and ends to listen, and when the load balancer begins and ends to send it requests."""

    clocks: Clocks
    setting: Setting
    created_at: float
    told_at: float = field(default=math.inf)

    @property
    def listens_from(self) -> float:
        return self.created_at + self.clocks.node_seconds + self.clocks.start_seconds

    @property
    def listens_until(self) -> float:
        return self.told_at + self.setting.pre_stop_seconds + self.setting.drain_seconds

    @property
    def known_from(self) -> float:
        return self.listens_from + self.clocks.register_seconds

    @property
    def known_until(self) -> float:
        deregistered_at = self.told_at + self.clocks.deregister_seconds
        if self.setting.stays_ready or self.clocks.unhealthy_seconds is None:
            return deregistered_at
        return min(deregistered_at, self.told_at + self.setting.pre_stop_seconds + self.clocks.unhealthy_seconds)

    @property
    def available_from(self) -> float:
        ready_from = self.known_from if self.setting.has_gate else self.listens_from
        return ready_from + self.setting.min_ready_seconds


def simulate(setting: Setting, clocks: Clocks) -> Outcome:
    """Replace every pod by a new one, at a steady load."""
    old = [_Pod(clocks, setting, created_at=-math.inf) for _ in range(setting.pods)]
    new: list[_Pod] = []
    surge = math.ceil(setting.pods * setting.surge)
    dropped, offered, short, most, rolled_out_at = 0.0, 0.0, 0, setting.pods, -1
    for now in range(MOST_SECONDS):
        alive = [pod for pod in old if pod.told_at == math.inf]
        while len(new) < setting.pods and len(alive) + len(new) < setting.pods + surge:
            new.append(_Pod(clocks, setting, created_at=now))
        available = len(alive) + sum(pod.available_from <= now for pod in new)
        for pod in alive[: max(0, available - setting.pods)]:
            pod.told_at = now
        if rolled_out_at < 0 and len(new) == sum(pod.available_from <= now for pod in new) == setting.pods:
            rolled_out_at = now

        listening = [pod for pod in old + new if pod.listens_from <= now < pod.listens_until]
        known = [pod for pod in old + new if pod.known_from <= now < pod.known_until]
        answering = sum(pod in listening for pod in known)
        offered += REQUESTS_PER_SECOND
        dropped += REQUESTS_PER_SECOND * (1 - answering / len(known) if known else 1)
        short += answering < setting.pods
        most = max(most, sum(pod.created_at <= now < pod.listens_until for pod in old + new))
        last = max(max(pod.known_until, pod.listens_until) for pod in old)
        if rolled_out_at >= 0 and now >= max(last, *(pod.known_from for pod in new)):
            break
    return Outcome(100 * dropped / offered, short, rolled_out_at, most)


HOPED = Clocks(register_seconds=20, deregister_seconds=60)
LONGEST = Clocks()
NOT_HEEDED = replace(LONGEST, unhealthy_seconds=None)

CLOCKS = {
    "20 / 60 s, as hoped": HOPED,
    "300 / 300 s, the longest named": LONGEST,
    "300 / 300 s, the failing /readyz not heeded": NOT_HEEDED,
}
COMMITTED = Setting()
ALONE = Setting(has_gate=False, min_ready_seconds=300, pods=2)
SETTINGS = {
    "committed": COMMITTED,
    "a drain of 180 s": replace(COMMITTED, drain_seconds=180),
    "the two files alone, without the gate": ALONE,
    "alone, and without minReadySeconds": replace(ALONE, min_ready_seconds=0),
    "ready to the end, preStop 120 s, one pod at a time": Setting(
        surge=1 / 3, pre_stop_seconds=120, drain_seconds=5, stays_ready=True
    ),
}


def list_rows() -> Iterator[tuple[str, str, Outcome]]:
    """Every setting under every clock."""
    for setting_name, setting in SETTINGS.items():
        for clocks_name, clocks in CLOCKS.items():
            yield setting_name, clocks_name, simulate(setting, clocks)


if __name__ == "__main__":
    print("| setting | registering / forgetting | dropped, % | with fewer pods, s | rollout, min | most pods |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for setting_name, clocks_name, outcome in list_rows():
        print(
            f"| {setting_name} | {clocks_name} | {outcome.dropped_percent:.1f} | {outcome.short_seconds} | "
            f"{outcome.rollout_seconds / 60:.1f} | {outcome.most_pods} |"
        )
