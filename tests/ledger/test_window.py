from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lumigate.ledger.window import SlidingWindow

MINUTE_MS = 60_000


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 4)), max_size=80), st.integers(1, 12))
def test_in_no_sixty_seconds_is_there_more_than_the_limit(steps: list[tuple[int, int]], limit: int) -> None:
    """Whenever they begin, at a whole second or not."""
    window, now_ms, passed = SlidingWindow(), 1_700_000_000_123, []
    for pause_ms, need in steps:
        now_ms += pause_ms
        window.advance(now_ms)
        if window.wait_ms(need, limit, now_ms) == 0:
            window.add(now_ms // 1000, need)
            passed.append((now_ms, need))
    for begun_ms, _ in passed:
        inside = [need for at_ms, need in passed if begun_ms <= at_ms < begun_ms + MINUTE_MS]
        assert sum(inside) <= limit


@given(st.lists(st.tuples(st.integers(0, 30_000), st.integers(1, 4)), max_size=40), st.integers(1, 12))
def test_who_comes_again_when_told_fits_and_a_moment_earlier_does_not(
    steps: list[tuple[int, int]], limit: int
) -> None:
    window, now_ms = SlidingWindow(), 1_700_000_000_123
    for pause_ms, need in steps:
        now_ms += pause_ms
        window.advance(now_ms)
        wait_ms = window.wait_ms(need, limit, now_ms)
        if wait_ms is None:
            assert need > limit
            continue
        if wait_ms:
            window.advance(now_ms + wait_ms - 1)
            assert window.wait_ms(need, limit, now_ms + wait_ms - 1) == 1
            now_ms += wait_ms
            window.advance(now_ms)
            assert window.wait_ms(need, limit, now_ms) == 0
        window.add(now_ms // 1000, need)


def test_an_hour_of_use_is_held_in_sixty_one_numbers() -> None:
    window = SlidingWindow()
    for second in range(3600):
        window.advance(second * 1000)
        window.add(second, 1)
    assert len(window.slots()) == 61


def test_what_turned_out_less_comes_back_at_once() -> None:
    window = SlidingWindow()
    window.add(100, 80)
    window.correct(100, -70)
    assert (window.used, window.wait_ms(90, 100, 100_000)) == (10, 0)


def test_a_correction_of_what_has_left_changes_nothing() -> None:
    window = SlidingWindow()
    window.add(100, 80)
    window.advance(161_000)
    window.correct(100, -70)
    assert window.used == 0
