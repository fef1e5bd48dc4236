from __future__ import annotations

from dataclasses import dataclass

from lumigate.cache.flight import Flights

SECOND = 1_000_000_000


@dataclass
class Working:
    finished: bool = False


def test_the_first_takes_the_key_and_others_do_not() -> None:
    flights, first = Flights(10), Working()
    assert flights.take("a", first, 0)
    assert not flights.take("a", Working(), 0)
    assert flights.take("b", Working(), 0)
    assert flights.is_under_way("a", 0)


def test_an_owner_who_has_finished_however_leaves_the_key_to_the_next() -> None:
    flights, first = Flights(10), Working()
    flights.take("a", first, 0)
    first.finished = True
    assert not flights.is_under_way("a", 0)
    assert flights.take("a", Working(), 0)


def test_an_owner_who_died_without_a_word_keeps_it_for_the_lease_only() -> None:
    flights = Flights(10)
    flights.take("a", Working(), 0)
    assert not flights.take("a", Working(), 10 * SECOND - 1)
    assert flights.take("a", Working(), 10 * SECOND)


def test_nobody_releases_what_is_anothers() -> None:
    flights, first = Flights(10), Working()
    flights.take("a", first, 0)
    flights.release("a", Working())
    assert flights.is_under_way("a", 0)
    flights.release("a", first)
    assert not flights.is_under_way("a", 0)
    flights.release("a", first)


def test_marks_that_count_for_nothing_do_not_pile_up() -> None:
    flights = Flights(10)
    for number in range(5000):
        flights.take(f"{number}", Working(finished=True), 0)
    assert len(flights) <= 512


def test_only_work_in_progress_is_told_as_under_way() -> None:
    flights, failed = Flights(10), Working()
    for key, owner, at_ns in (("failed", failed, 5), ("died", Working(), 0), ("works", Working(), 5)):
        assert flights.take(key, owner, at_ns)
    failed.finished = True
    assert flights.under_way(10 * SECOND) == 1
