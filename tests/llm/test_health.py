from __future__ import annotations

from typing import Any

import pytest

from lumigate.llm.health import FIRST_PAUSE_NS, LONGEST_PAUSE_NS, PROBE_NS, THRESHOLD, Breaker, Health

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(THRESHOLD):
        breaker.failed(NOW)
    return breaker


def test_a_few_failures_among_successes_keep_nobody_away() -> None:
    breaker = Breaker()
    for _ in range(20):
        for _ in range(THRESHOLD - 1):
            breaker.failed(NOW)
        breaker.succeeded()
    assert breaker.admits(NOW)


def test_failures_in_a_row_open_it_for_a_pause() -> None:
    breaker = opened()
    assert not breaker.admits(NOW)
    assert not breaker.admits(NOW + FIRST_PAUSE_NS - 1)
    assert breaker.admits(NOW + FIRST_PAUSE_NS)


def test_one_probe_at_a_time_decides() -> None:
    breaker, later = opened(), NOW + FIRST_PAUSE_NS
    breaker.begin(later)
    assert not breaker.admits(later + SECOND)
    breaker.succeeded()
    assert breaker.admits(later + SECOND)


def test_a_probe_that_fails_doubles_the_pause() -> None:
    breaker, later = opened(), NOW + FIRST_PAUSE_NS
    breaker.begin(later)
    breaker.failed(later)
    assert not breaker.admits(later + 2 * FIRST_PAUSE_NS - 1)
    assert breaker.admits(later + 2 * FIRST_PAUSE_NS)


def test_a_pause_grows_to_four_minutes_and_no_further() -> None:
    breaker, now = opened(), NOW
    for _ in range(10):
        now += LONGEST_PAUSE_NS
        breaker.begin(now)
        breaker.failed(now)
    assert not breaker.admits(now + LONGEST_PAUSE_NS - 1)
    assert breaker.admits(now + LONGEST_PAUSE_NS)


def test_a_probe_that_never_comes_back_blocks_nobody_for_good() -> None:
    breaker, later = opened(), NOW + FIRST_PAUSE_NS
    breaker.begin(later)
    assert breaker.admits(later + PROBE_NS)


def test_latency_is_a_mean_that_favours_the_newest() -> None:
    health = Health()
    assert health.latency_ms("openai/a", stream=True) is None
    health.measured("openai/a", 100, stream=True)
    health.measured("openai/a", 200, stream=True)
    assert health.latency_ms("openai/a", stream=True) == pytest.approx(120)
    assert health.latency_ms("openai/a", stream=False) is None


def test_a_snapshot_seeds_another_isolate_until_it_has_measured_itself() -> None:
    one, other = Health(), Health()
    one.measured("openai/a", 100, stream=True)
    other.seed(one.snapshot())
    assert other.latency_ms("openai/a", stream=True) == 100
    other.measured("openai/a", 500, stream=True)
    assert other.latency_ms("openai/a", stream=True) == 500


@pytest.mark.parametrize(
    "snapshot",
    [
        {},
        {"latency_ms": None},
        {"latency_ms": []},
        {"latency_ms": {"a": "fast", "b": -1, "c": True, "d": 1e300}},
    ],
)
def test_a_snapshot_that_makes_no_sense_teaches_nothing(snapshot: Any) -> None:
    health = Health()
    health.seed(snapshot)
    assert health.snapshot() == {"latency_ms": {}}
