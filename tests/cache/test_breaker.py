from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lumigate.cache.breaker import (
    CLOSED,
    FIRST_PAUSE_NS,
    HALF_OPEN,
    LONGEST_PAUSE_NS,
    OPEN,
    PROBE_NS,
    THRESHOLD,
    TierBreaker,
)


def opened() -> TierBreaker:
    breaker = TierBreaker()
    assert [breaker.failed(0) for _ in range(THRESHOLD)] == [False] * (THRESHOLD - 1) + [True]
    return breaker


def test_three_failures_in_a_row_open_it_and_two_do_not() -> None:
    breaker = TierBreaker()
    for _ in range(5):
        breaker.failed(0)
        breaker.failed(0)
        assert not breaker.succeeded()
    assert breaker.admits(0)
    assert opened().state(0) == OPEN
    assert not opened().admits(FIRST_PAUSE_NS - 1)


def test_one_probe_at_a_time_decides() -> None:
    breaker = opened()
    assert breaker.state(FIRST_PAUSE_NS) == HALF_OPEN
    assert [breaker.admits(FIRST_PAUSE_NS) for _ in range(3)] == [True, False, False]
    assert breaker.succeeded()
    assert breaker.state(FIRST_PAUSE_NS) == CLOSED


def test_a_probe_that_fails_opens_it_for_twice_as_long_up_to_a_bound() -> None:
    breaker, now, pause = opened(), FIRST_PAUSE_NS, FIRST_PAUSE_NS
    for _ in range(8):
        assert breaker.admits(now)
        assert breaker.failed(now)
        pause = min(2 * pause, LONGEST_PAUSE_NS)
        assert not breaker.admits(now + pause - 1)
        now += pause


def test_a_probe_that_never_comes_back_does_not_close_the_door_for_good() -> None:
    breaker = opened()
    assert breaker.admits(FIRST_PAUSE_NS)
    assert not breaker.admits(FIRST_PAUSE_NS + PROBE_NS - 1)
    assert breaker.admits(FIRST_PAUSE_NS + PROBE_NS)


def test_failures_of_those_who_asked_before_it_opened_say_nothing_new() -> None:
    breaker = opened()
    assert not breaker.failed(1)
    assert breaker.state(FIRST_PAUSE_NS) == HALF_OPEN


@given(st.lists(st.tuples(st.booleans(), st.integers(0, LONGEST_PAUSE_NS)), max_size=60))
def test_it_is_never_open_for_longer_than_the_longest_pause(events: list[tuple[bool, int]]) -> None:
    breaker, now = TierBreaker(), 0
    for good, wait in events:
        if breaker.admits(now):
            if good:
                breaker.succeeded()
            else:
                breaker.failed(now)
        now += wait
    assert breaker.admits(now + LONGEST_PAUSE_NS + PROBE_NS)
