"""The short form of the attack: what it measures in time says nothing on a busy machine, all else must hold."""

import pytest

from benchmarks.serving.attack import TOO_SLOW, attack_all


@pytest.mark.slow
def test_service_holds_off_every_attack() -> None:
    outcomes = attack_all(seconds=0.5)
    faults = {outcome.name: set(outcome.list_faults()) - {TOO_SLOW} for outcome in outcomes}
    assert {name: found for name, found in faults.items() if found} == {}
    assert len(faults) > 15
