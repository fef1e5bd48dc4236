from __future__ import annotations

import time

import pytest

from local.runtime.clock import AnchoredClock


class Machine:
    """Both clocks of a machine: the wall's, and the one that stands still while it sleeps."""

    def __init__(self) -> None:
        self.wall_ns = 1_800_000_000_000_000_000
        self.monotonic_ns = 5_000_000_000

    def pass_time(self, nanoseconds: int) -> None:
        self.wall_ns += nanoseconds
        self.monotonic_ns += nanoseconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(time, "time_ns", lambda: made.wall_ns)
    monkeypatch.setattr(time, "perf_counter_ns", lambda: made.monotonic_ns)
    return made


def test_durations_are_exact_and_a_wall_clock_that_is_set_back_changes_nothing(machine: Machine) -> None:
    clock = AnchoredClock()
    begun = clock.now_ns()
    assert begun == machine.wall_ns
    machine.pass_time(123)
    machine.wall_ns -= 3_600 * 10**9
    assert clock.now_ns() == begun + 123
    machine.pass_time(10**10)
    assert clock.now_ns() == begun + 123 + 10**10


def test_after_the_machine_slept_the_time_is_right_again_within_a_millisecond(machine: Machine) -> None:
    clock = AnchoredClock()
    clock.now_ns()
    machine.wall_ns += 3_600 * 10**9  # asleep: only the wall's clock went on
    machine.pass_time(1_000_000)
    assert clock.now_ns() == machine.wall_ns


def test_time_never_goes_back(machine: Machine) -> None:
    clock = AnchoredClock()
    stamps = []
    for step in (0, 10, 900_000, 2_000_000, 5):
        machine.pass_time(step)
        machine.wall_ns += step * 3_000  # a wall clock that runs ahead
        stamps.append(clock.now_ns())
    assert stamps == sorted(stamps)
