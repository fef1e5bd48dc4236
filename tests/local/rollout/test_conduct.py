"""The rollout's decisions: each step is watched, and every fault ends with the stable version alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.rollout.conduct import PATIENCE, Conductor, Interrupted, Outcome, Pace
from local.rollout.deployments import WranglerFailed
from local.rollout.gate import Reading, ReadVersions, strictest
from local.rollout.split import Share, Split
from slo.standing import Gate

OLD, NEW = "old", "new"
PACE = Pace(steps=(10.0, 50.0, 100.0), soak_seconds=60.0, check_seconds=20.0)


@dataclass(kw_only=True)
class Stage:
    """A deployer that remembers, a gate that says what it is told to, a clock that only counts."""

    gates: Iterator[Gate]
    faults: Callable[[int], bool] = lambda _: False
    interrupt_at_s: float = float("inf")
    splits: list[float] = field(default_factory=list)
    triggers: int = 0
    now_s: float = 0.0
    said: list[str] = field(default_factory=list)
    settled: bool = False
    calls: int = 0

    def split(self, split: Split) -> None:
        self.calls += 1
        if self.faults(self.calls):
            raise WranglerFailed("the API is not well")
        self.splits.append(split.percent)

    def apply_triggers(self) -> None:
        self.triggers += 1

    def gate(self) -> Reading:
        return Reading(gate=next(self.gates), reason="availability")

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        if self.now_s >= self.interrupt_at_s and not self.settled:
            raise Interrupted("SIGTERM")

    def settle(self) -> None:
        self.settled = True

    def conductor(self, versions: ReadVersions | None = None) -> Conductor:
        return Conductor(
            deployer=self,
            gate=self.gate,
            sleep=self.sleep,
            say=self.said.append,
            settle=self.settle,
            versions=versions,
            clock=lambda: self.now_s,
        )


def always(*gates: Gate) -> Iterator[Gate]:
    """These, then the last of them for ever."""
    yield from gates
    while True:
        yield gates[-1]


def test_each_share_is_watched_for_its_whole_time() -> None:
    stage = Stage(gates=always(Gate.OPEN))
    assert stage.conductor().roll_out(NEW, OLD, PACE) is Outcome.DONE
    assert stage.splits == [10, 50, 100]
    assert stage.now_s == 3 * PACE.soak_seconds
    assert stage.triggers == 1


@pytest.mark.parametrize("gate", [Gate.BLOCKED, Gate.BURNING, Gate.UNREADABLE, Gate.UNOBSERVED])
def test_a_gate_that_is_shut_before_is_not_passed(gate: Gate) -> None:
    stage = Stage(gates=always(gate))
    assert stage.conductor().roll_out(NEW, OLD, PACE) is Outcome.REFUSED
    assert stage.splits == []
    assert "nothing was changed" in stage.said[-1]


@pytest.mark.parametrize("gate", [Gate.BLOCKED, Gate.BURNING])
@pytest.mark.parametrize("readings", [0, 1, 3, 4, 7, 8, 11])
def test_a_gate_that_shuts_brings_all_traffic_back(gate: Gate, readings: int) -> None:
    stage = Stage(gates=always(Gate.OPEN, *([Gate.OPEN] * readings), gate))
    assert stage.conductor().roll_out(NEW, OLD, PACE) is Outcome.ROLLED_BACK
    assert stage.splits[-1] == 0
    assert stage.triggers == 0
    assert stage.settled


def test_a_gate_that_cannot_be_read_is_given_some_patience() -> None:
    blink = Stage(gates=always(Gate.OPEN, *([Gate.UNREADABLE] * (PATIENCE - 1)), Gate.OPEN))
    assert blink.conductor().roll_out(NEW, OLD, PACE) is Outcome.DONE
    blind = Stage(gates=always(Gate.OPEN, Gate.UNREADABLE))
    assert blind.conductor().roll_out(NEW, OLD, PACE) is Outcome.ROLLED_BACK
    assert blind.splits == [10, 0]
    # Not one reading more: the last of them does not wait for another.
    assert blind.now_s == (PATIENCE - 1) * PACE.check_seconds


def test_a_share_does_not_end_on_a_reading_that_failed() -> None:
    stage = Stage(gates=always(Gate.OPEN, Gate.OPEN, Gate.OPEN, Gate.OPEN, Gate.UNREADABLE, Gate.BURNING))
    assert stage.conductor().roll_out(NEW, OLD, PACE) is Outcome.ROLLED_BACK
    assert stage.splits == [10, 0]


def test_too_little_traffic_to_judge_ends_in_going_back_unless_allowed() -> None:
    gates = (Gate.OPEN, Gate.UNOBSERVED)
    strict = Stage(gates=always(*gates))
    assert strict.conductor().roll_out(NEW, OLD, PACE) is Outcome.ROLLED_BACK
    assert "too little was observed" in " ".join(strict.said)
    assert strict.now_s == PACE.soak_seconds, "it waited for traffic first"
    loose = Stage(gates=always(Gate.UNOBSERVED))
    pace = Pace(steps=PACE.steps, soak_seconds=60, check_seconds=20, allow_unobserved=True)
    assert loose.conductor().roll_out(NEW, OLD, pace) is Outcome.DONE


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_deployment_that_fails_brings_all_traffic_back(call: int) -> None:
    stage = Stage(gates=always(Gate.OPEN), faults=lambda number: number == call)
    assert stage.conductor().roll_out(NEW, OLD, PACE) is Outcome.ROLLED_BACK
    assert stage.splits[-1] == 0


@pytest.mark.parametrize("at_s", [1.0, 70.0, 130.0])
def test_a_signal_brings_all_traffic_back(at_s: float) -> None:
    stage = Stage(gates=always(Gate.OPEN), interrupt_at_s=at_s)
    assert stage.conductor().roll_out(NEW, OLD, PACE) is Outcome.ROLLED_BACK
    assert stage.splits[-1] == 0
    assert "SIGTERM" in " ".join(stage.said)


def test_a_fault_of_our_own_brings_all_traffic_back_and_is_not_hidden() -> None:
    def broken() -> Iterator[Gate]:
        yield Gate.OPEN
        yield Gate.OPEN
        raise ZeroDivisionError

    stage = Stage(gates=broken())
    with pytest.raises((ZeroDivisionError, RuntimeError)):
        stage.conductor().roll_out(NEW, OLD, PACE)
    assert stage.splits == [10, 0]


def test_a_rollback_is_tried_again_and_says_what_to_run_when_it_fails() -> None:
    second = Stage(gates=always(Gate.OPEN, Gate.BURNING), faults=lambda number: number == 2)
    assert second.conductor().roll_out(NEW, OLD, PACE) is Outcome.ROLLED_BACK
    never = Stage(gates=always(Gate.OPEN, Gate.BURNING), faults=lambda number: number > 1)
    assert never.conductor().roll_out(NEW, OLD, PACE) is Outcome.STUCK
    assert f"versions deploy {OLD}@100%" in never.said[-1]


def test_a_rollout_is_taken_up_where_it_was() -> None:
    stage = Stage(gates=always(Gate.OPEN))
    assert stage.conductor().roll_out(NEW, OLD, PACE, reached=10) is Outcome.DONE
    assert stage.splits == [50, 100]
    assert stage.now_s == 3 * PACE.soak_seconds, "what was reached is watched again"


def test_a_rollout_that_is_taken_up_into_a_burning_budget_goes_back() -> None:
    stage = Stage(gates=always(Gate.BURNING))
    assert stage.conductor().roll_out(NEW, OLD, PACE, reached=50) is Outcome.ROLLED_BACK
    assert stage.splits == [0]


@given(
    gates=st.lists(st.sampled_from(list(Gate)), max_size=30),
    last=st.sampled_from(list(Gate)),
    failing=st.sets(st.integers(1, 8), max_size=8),
    interrupt_at_s=st.one_of(st.just(float("inf")), st.floats(0, 300)),
    allow=st.booleans(),
)
def test_however_it_goes_one_version_has_all_traffic_or_a_person_is_told(
    gates: list[Gate], last: Gate, failing: set[int], interrupt_at_s: float, allow: bool
) -> None:
    stage = Stage(
        gates=always(*gates, last), faults=lambda number: number in failing, interrupt_at_s=interrupt_at_s
    )
    pace = Pace(steps=PACE.steps, soak_seconds=60, check_seconds=20, allow_unobserved=allow)
    outcome = stage.conductor().roll_out(NEW, OLD, pace)
    in_force = stage.splits[-1] if stage.splits else 0
    expected = {Outcome.DONE: 100, Outcome.ROLLED_BACK: 0, Outcome.REFUSED: 0}
    if outcome is Outcome.STUCK:
        assert "STUCK" in stage.said[-1]
    else:
        assert in_force == expected[outcome]
    assert (stage.triggers == 1) == (outcome is Outcome.DONE)


def test_a_new_version_that_is_bad_by_itself_goes_back_though_the_service_is_well() -> None:
    stage, asked = Stage(gates=always(Gate.OPEN)), []

    def versions(share: Share) -> Reading:
        asked.append((share.percent, share.elapsed_s))
        bad = share.percent == 50 and share.elapsed_s >= 40
        return Reading(gate=Gate.BURNING if bad else Gate.OPEN, reason="new version")

    assert stage.conductor(versions).roll_out(NEW, OLD, PACE) is Outcome.ROLLED_BACK
    assert stage.splits == [10, 50, 0]
    assert asked == [*((10, at) for at in (0, 20, 40, 60)), *((50, at) for at in (0, 20, 40))]


def test_the_service_is_heeded_though_the_new_version_is_well() -> None:
    stage = Stage(gates=always(Gate.OPEN, Gate.BURNING))
    well = Reading(gate=Gate.OPEN, reason="1,000 requests")
    assert stage.conductor(lambda _: well).roll_out(NEW, OLD, PACE) is Outcome.ROLLED_BACK


def test_traffic_is_waited_for_as_long_as_is_allowed() -> None:
    pace = replace(PACE, wait_seconds=100.0)

    def seen_after(seconds: float) -> Callable[[Share], Reading]:
        return lambda share: Reading(
            gate=Gate.OPEN if share.elapsed_s >= seconds else Gate.UNOBSERVED, reason="requests"
        )

    late = Stage(gates=always(Gate.OPEN))
    assert late.conductor(seen_after(130)).roll_out(NEW, OLD, pace) is Outcome.DONE
    assert late.now_s == 3 * 140, "no longer than it takes"
    never = Stage(gates=always(Gate.OPEN))
    assert never.conductor(seen_after(1e9)).roll_out(NEW, OLD, pace) is Outcome.ROLLED_BACK
    assert never.now_s == 160
    allowed = Stage(gates=always(Gate.OPEN))
    pace = replace(pace, allow_unobserved=True)
    assert allowed.conductor(seen_after(1e9)).roll_out(NEW, OLD, pace) is Outcome.DONE


@given(st.sampled_from(list(Gate)), st.sampled_from(list(Gate)))
def test_of_two_gates_the_stricter_is_heeded(service: Gate, version: Gate) -> None:
    found = strictest(Reading(gate=service, reason="s"), Reading(gate=version, reason="v"))
    assert found.gate in (service, version)
    if Gate.OPEN not in (service, version):
        assert found.gate is not Gate.OPEN
    assert (found.gate is Gate.OPEN) == (service is version is Gate.OPEN)
