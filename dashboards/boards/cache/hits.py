"""Hits by outcome, route and tier."""

from __future__ import annotations

from dashboards.boards.cache.queries import SERVED, TIERS, Q, by_tier
from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS
from dashboards.panels import Sized, lines
from dashboards.promql import labels, legend, ratio, unless, where
from dashboards.targets import prom
from lumigate.catalog import (
    CACHE_LOOKUPS,
    CACHE_OUTCOME,
    CACHE_OUTCOMES,
    CACHE_RESULT,
    CACHE_TIER,
    HTTP_ROUTE,
)


def hits(limits: Limits) -> list[Sized]:
    by_route = (HTTP_ROUTE,)
    asked = Q.rate(CACHE_OUTCOMES, unless(CACHE_OUTCOME, "bypass"), by=by_route)
    served = where(CACHE_OUTCOME, *SERVED)
    of_each = Q.rate(CACHE_OUTCOMES, served, by=(HTTP_ROUTE, CACHE_OUTCOME))
    not_fresh = [value for value in SERVED if not value.startswith("hit")]
    return [
        lines(
            "What the cache said",
            "Requests a second by what all tiers together said. Bad: hits turn into misses at a deploy.",
            prom(Q.rate(CACHE_OUTCOMES, by=(CACHE_OUTCOME,)), legend(CACHE_OUTCOME)),
            unit="reqps",
            colours=sorted(CACHE_OUTCOME.values or ()),
            stacked=True,
            links=TO_POINTS,
        ),
        lines(
            "Hit rate by route",
            "Answers from the cache among the requests of a route that asked it. Bad: one route falls, the others do "
            "not.",
            prom(ratio(Q.rate(CACHE_OUTCOMES, served, by=by_route), asked), legend(*by_route)),
            unit="percentunit",
            colours=sorted(value for value in HTTP_ROUTE.values or () if value),
            maximum=1,
            links=limits.links("cache-hits"),
        ),
        lines(
            "Hit rate by route and tier",
            "The same, told apart by the tier that answered, and whether fresh, stale or near. Bad: l1 gives way to "
            "l2 and l3: isolates live too briefly, or are too many.",
            prom(
                f"{of_each}\n/ on ({labels(by_route)}) group_left ()\n({asked} > 0)",
                legend(HTTP_ROUTE, CACHE_OUTCOME),
            ),
            unit="percentunit",
            colours=None,
            stacked=True,
            maximum=1,
            links=limits.links("cache-hits"),
        ),
        lines(
            "Hit rate by tier",
            "Hits among a tier's lookups; l2 is asked only where l1 had nothing, l3 only where l2 had nothing. Bad: "
            "l1 near zero: isolates live too briefly or are too many; l3 near zero: nothing is asked twice.",
            prom(
                ratio(
                    Q.rate(CACHE_LOOKUPS, where(CACHE_RESULT, "hit", "stale", "near"), by=(CACHE_TIER,)),
                    Q.rate(CACHE_LOOKUPS, by=(CACHE_TIER,)),
                ),
                legend(CACHE_TIER),
            ),
            unit="percentunit",
            colours=TIERS,
            maximum=1,
            links=limits.links("cache-hits"),
        ),
        lines(
            "Lookups by tier and result",
            "Lookups a second. Bad: `error` at all; `skipped`: the tier's breaker is open; `expired` beside few hits: "
            "entries live too briefly.",
            prom(Q.rate(CACHE_LOOKUPS, by=(CACHE_TIER, CACHE_RESULT)), legend(CACHE_TIER, CACHE_RESULT)),
            unit="reqps",
            colours=by_tier(*sorted((CACHE_RESULT.values or frozenset()) - {"bypass"})),
            links=TO_EXPLORE,
        ),
        lines(
            "Stale and near answers",
            "Answers a second past their time (served while they are asked for anew, or because no model answers), "
            "and to questions asked otherwise. Bad: `stale` rises while models fail: the cache is all that stands.",
            prom(
                Q.rate(CACHE_OUTCOMES, where(CACHE_OUTCOME, *not_fresh), by=(CACHE_OUTCOME,)),
                legend(CACHE_OUTCOME),
            ),
            unit="reqps",
            colours=not_fresh,
            links=TO_EXPLORE,
        ),
    ]
