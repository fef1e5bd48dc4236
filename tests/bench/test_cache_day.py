"""The simulation behind the cache's figures behaves as caches do."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from bench.cache_day import Day, Profile, Setup, chart, rows, simulate
from lumigate.cache.settings import CacheRules, CacheSettings

SMALL = Profile(name="repeat-heavy", requests=4000, prompts=200, skew=1.05, unique=0.05, isolates=5)


@pytest.fixture(scope="module")
def by_tiers() -> list[Day]:
    return [simulate(SMALL, Setup(name=f"{tiers}", tiers=tiers)) for tiers in (1, 2, 3)]


def test_every_request_is_a_hit_or_is_paid_for(by_tiers: list[Day]) -> None:
    totals = {round(day.saved_usd + day.spent_usd, 9) for day in by_tiers}
    assert len(totals) == 1
    for day in by_tiers:
        assert 0 < sum(day.hits.values()) < day.requests


def test_each_tier_below_adds_hits_and_saves_money(by_tiers: list[Day]) -> None:
    rates = [day.hit_rate for day in by_tiers]
    assert rates == sorted(rates)
    assert rates[0] < rates[2]
    assert [day.saved_usd for day in by_tiers] == sorted(day.saved_usd for day in by_tiers)
    assert by_tiers[0].hits["l2"] == by_tiers[1].hits["l3"] == 0


def test_what_nobody_asks_twice_is_never_a_hit() -> None:
    alone = Profile(name="alone", requests=500, prompts=10, skew=1, unique=1.0, isolates=3)
    assert simulate(alone, Setup(name="default")).hit_rate == 0


def test_a_shorter_time_never_saves_more() -> None:
    short = CacheSettings(rules=CacheRules(ttl_seconds=60))
    assert simulate(SMALL, Setup(name="short", settings=short)).hit_rate <= (
        simulate(SMALL, Setup(name="default")).hit_rate
    )


def test_the_same_seed_is_the_same_day(by_tiers: list[Day]) -> None:
    assert simulate(SMALL, Setup(name="3", tiers=3)) == by_tiers[2]


def test_the_chart_is_a_picture_of_every_day(by_tiers: list[Day]) -> None:
    drawn = ElementTree.fromstring(chart(by_tiers))  # noqa: S314 # we have just made it
    assert drawn.tag.endswith("svg")
    assert chart(by_tiers).count("saved") == len(by_tiers) == len(rows(by_tiers))
