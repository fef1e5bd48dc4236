"""Three small pieces of plain data: who flushes, whom to leave alone, and when to try again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.telemetry.breaker import FIRST_PAUSE_NS, LONGEST_PAUSE_NS, THRESHOLD, Breaker, BreakerState
from lumigate.telemetry.lease import Lease
from lumigate.telemetry.retry import LONGEST_RETRY_AFTER_NS, LONGEST_WAIT_NS, backoff_ns, retry_after_ns
from tests.telemetry.fakes import NOON, SECOND


def test_a_lease_has_one_owner_until_it_is_released() -> None:
    lease = Lease()
    token = lease.take(0, 10)
    assert token
    assert lease.take(9, 10) == 0
    lease.release(token)
    assert lease.take(9, 10) != 0


def test_a_lease_whose_owner_died_is_taken_over_and_the_dead_cannot_release_it() -> None:
    lease = Lease()
    dead = lease.take(0, 10)
    heir = lease.take(10, 10)
    assert heir not in (0, dead)
    lease.release(dead)
    assert lease.owner == heir


@given(st.lists(st.tuples(st.sampled_from(["take", "release", "tick"]), st.integers(0, 20)), max_size=50))
def test_no_two_living_owners_ever_hold_the_lease(script: list[tuple[str, int]]) -> None:
    """Property: whoever takes it finds it free or expired."""
    lease, now = Lease(), 0
    holder, until = 0, 0
    for action, amount in script:
        if action == "tick":
            now += amount
        elif action == "take":
            token = lease.take(now, 10)
            if token:
                assert not holder or until <= now
                holder, until = token, now + 10
        elif holder:
            lease.release(holder)
            holder = 0


def test_a_breaker_opens_after_failures_in_a_row_and_one_attempt_decides() -> None:
    breaker = Breaker()
    for n in range(THRESHOLD):
        assert breaker.state(n) is BreakerState.CLOSED
        breaker.failed(n)
    assert breaker.state(THRESHOLD) is BreakerState.OPEN
    later = THRESHOLD - 1 + FIRST_PAUSE_NS
    assert breaker.state(later) is BreakerState.HALF_OPEN
    breaker.failed(later)
    assert breaker.state(later + FIRST_PAUSE_NS) is BreakerState.OPEN
    assert breaker.state(later + 2 * FIRST_PAUSE_NS) is BreakerState.HALF_OPEN
    breaker.succeeded()
    assert breaker.state(later) is BreakerState.CLOSED


def test_the_pause_of_a_breaker_is_bounded() -> None:
    breaker = Breaker()
    for _ in range(100):
        breaker.failed(0)
    assert breaker.state(LONGEST_PAUSE_NS) is BreakerState.HALF_OPEN


def test_a_success_between_failures_keeps_the_breaker_closed() -> None:
    breaker = Breaker()
    for _ in range(20):
        for _ in range(THRESHOLD - 1):
            breaker.failed(0)
        breaker.succeeded()
    assert breaker.state(0) is BreakerState.CLOSED


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_doubles_is_jittered_and_bounded(failures: int, chance: float) -> None:
    wait = backoff_ns(failures, chance)
    assert SECOND // 2 <= wait <= LONGEST_WAIT_NS
    assert backoff_ns(failures, 0) >= wait
    assert backoff_ns(failures + 1, chance) >= wait


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("Thu, 28 May 2026 20:27:40 GMT", 60),
        ("Thu, 28 May 2020 20:27:40 GMT", 0),
        ("99999999", LONGEST_RETRY_AFTER_NS / SECOND),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("Thu, 99 May 2026 20:27:40 GMT", None),
    ],
)
def test_retry_after_is_read_in_seconds_and_as_a_date(value: str, seconds: float | None) -> None:
    now = NOON  # Thu, 28 May 2026 20:26:40 GMT
    moment = retry_after_ns({"retry-after": value} if value else {}, now)
    assert (None if moment is None else (moment - now) / SECOND) == seconds


@given(st.text(max_size=40))
def test_any_retry_after_is_read_or_ignored(value: str) -> None:
    """It comes from outside."""
    moment = retry_after_ns({"retry-after": value}, NOON)
    assert moment is None or NOON <= moment <= NOON + LONGEST_RETRY_AFTER_NS
