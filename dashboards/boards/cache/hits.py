"""Hits by outcome, route and tier."""

from __future__ import annotations

from dashboards.panels import Sized, lines
from dashboards.promql import legend, ratio, unless, where
from dashboards.targets import prom
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS, TO_SLO
from lumigate.catalog import (CACHE_LOOKUPS, CACHE_OUTCOME, CACHE_OUTCOMES, CACHE_RESULT, CACHE_TIER, HTTP_ROUTE)
from dashboards.boards.cache.queries import Q

def hits() -> list[Sized]:
    by_route = (HTTP_ROUTE,)
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
            "Hits among the requests of a route that asked the cache. Bad: one route falls, the others do not.",
            prom(
                ratio(
                    Q.rate(CACHE_OUTCOMES, where(CACHE_OUTCOME, *HITS), by=by_route),
                    Q.rate(CACHE_OUTCOMES, unless(CACHE_OUTCOME, "bypass"), by=by_route),
                ),
                legend(*by_route),
            ),
            unit="percentunit",
            colours=sorted(value for value in HTTP_ROUTE.values or () if value),
            maximum=1,
            links=TO_SLO,
        ),
        lines(
            "Hit rate by tier",
            "Hits among a tier's lookups; l2 is asked only where l1 had nothing. Bad: l1 near zero: isolates live too "
            "briefly or are too many; l2 near zero: nothing is asked twice.",
            prom(
                ratio(
                    Q.rate(CACHE_LOOKUPS, where(CACHE_RESULT, "hit"), by=(CACHE_TIER,)),
                    Q.rate(CACHE_LOOKUPS, by=(CACHE_TIER,)),
                ),
                legend(CACHE_TIER),
            ),
            unit="percentunit",
            colours=sorted(CACHE_TIER.values or ()),
            maximum=1,
            links=TO_SLO,
        ),
        lines(
            "Lookups by tier and result",
            "Lookups a second. Bad: `error` at all; `expired` beside few hits: entries live too briefly.",
            prom(Q.rate(CACHE_LOOKUPS, by=(CACHE_TIER, CACHE_RESULT)), legend(CACHE_TIER, CACHE_RESULT)),
            unit="reqps",
            colours=[
                f"{tier} · {result}"
                for tier in ("l1", "l2")
                for result in ("hit", "miss", "expired", "error")
            ],
            links=TO_EXPLORE,
        ),
    ]
