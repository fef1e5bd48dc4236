"""What is asked of each version, and of whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from local.rollout.comparison import Counts
from local.rollout.indicators import REQUESTS, ByVersion, by_version
from local.rollout.split import Share
from local.rollout.versions import Found, prometheus_counts, version_gate
from lumigate import catalog
from slo.build import Sources
from slo.model import CatalogEvents, Condition, Counted, Selection
from slo.sources import SourceError
from slo.standing import Gate

PROMISES = Sources.load().promises
SHARE = Share(candidate="new", stable="old", percent=10.0, elapsed_s=600.0)
BY_NAME = {one.aspect.name: one for one in by_version(PROMISES, warm_up_s=120.0)}


def test_what_a_version_can_break_alone_is_asked_by_version() -> None:
    """Fails where a spec is changed so that the rollout would no longer look at it."""
    assert set(BY_NAME) == {
        "availability",
        "gateway-overhead-p95",
        "gateway-overhead-p99",
        "refused",
        "client_abort",
    }
    assert BY_NAME["availability"].aspect.budget == pytest.approx(0.001)
    assert BY_NAME["availability"].aspect.factor == pytest.approx(14.4)
    assert BY_NAME["refused"].aspect.budget is None
    assert all(one.points is not None for one in BY_NAME.values()), (
        "Analytics Engine can be asked for all of it"
    )


def test_a_promise_of_other_routes_is_not_taken_for_one_of_all() -> None:
    (availability,) = [one for one in PROMISES if one.name == "availability"]
    route = Condition(key="http.route", values=("/v1/messages",))
    events = CatalogEvents(selections=(Selection(metric=catalog.OUTCOMES, where=(route,)),))
    other = replace(availability, indicator=Counted(numerator="bad", part=events, total=events))
    assert {one.aspect.name for one in by_version([other], warm_up_s=0)} == {"refused", "client_abort"}


def test_latencies_are_not_judged_while_isolates_are_cold() -> None:
    cold, warm = replace(SHARE, elapsed_s=170.0), replace(SHARE, elapsed_s=200.0)
    assert BY_NAME["gateway-overhead-p99"].window_s(cold) == 0
    assert BY_NAME["gateway-overhead-p99"].window_s(warm) == 80
    assert BY_NAME["availability"].window_s(cold) == 170
    assert BY_NAME["availability"].window_s(replace(SHARE, elapsed_s=0.0)) == 60


def test_the_gate_asks_for_what_it_may_judge_and_for_all_requests() -> None:
    asked: list[list[str]] = []

    def read(what: Sequence[ByVersion], share: Share) -> Found:
        asked.append([one.aspect.name for one in what])
        return {REQUESTS: {"new": Counts(total=500), "old": Counts(total=4500), "else": Counts(total=9)}}

    gate = version_gate(read, list(BY_NAME.values()), 100)
    assert gate(replace(SHARE, elapsed_s=10.0)).gate is Gate.OPEN
    assert asked == [[REQUESTS, "availability", "refused", "client_abort"]]
    assert gate(SHARE).reason == "500 requests of the new version, 4,500 of the old"
    assert len(asked[1]) == 6


def test_a_source_that_fails_is_unreadable() -> None:
    def broken(what: Sequence[ByVersion], share: Share) -> Found:
        raise SourceError("it is down")

    reading = version_gate(broken, [], 100)(SHARE)
    assert (reading.gate, reading.reason) == (Gate.UNREADABLE, "it is down")
    nobody = prometheus_counts("http://127.0.0.1:1", {}, "cumulative")
    with pytest.raises(SourceError, match="cannot be reached"):
        nobody([BY_NAME["availability"]], SHARE)
