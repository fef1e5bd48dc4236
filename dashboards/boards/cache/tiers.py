"""The tiers: time, writes, evictions, traffic, breakers."""

from __future__ import annotations

from dashboards.panels import Sized, lines
from dashboards.promql import legend
from dashboards.targets import prom
from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_EXPLORE, TO_SLO
from lumigate.catalog import (CACHE_DURATION, CACHE_EVICTIONS, CACHE_TIER, CACHE_WRITES, WRITE_RESULT)
from dashboards.boards.cache.queries import Q

def tiers(limits: Limits) -> list[Sized]:
    return [
        lines(
            "Time of a lookup by tier",
            "Median and 95th percentile. Bad: l1 above what is promised for its hits: "
            f"{limits.words('l1-hits')}; l2 near the time of a model call.",
            prom(
                Q.quantile(0.95, CACHE_DURATION, by=(CACHE_TIER,)),
                f"p95 {legend(CACHE_TIER)}",
                exemplar=True,
            ),
            prom(
                Q.quantile(0.5, CACHE_DURATION, by=(CACHE_TIER,)), f"p50 {legend(CACHE_TIER)}", exemplar=True
            ),
            unit="s",
            colours=("p95 l1", "p95 l2", "p50 l1", "p50 l2"),
            links=TO_EXPLORE,
        ),
        lines(
            "Writes by tier and result",
            "Answers stored a second. Bad: `refused` (answers too large for the tier) or `error`.",
            prom(Q.rate(CACHE_WRITES, by=(CACHE_TIER, WRITE_RESULT)), legend(CACHE_TIER, WRITE_RESULT)),
            unit="wps",
            colours=[
                f"{tier} · {result}" for tier in ("l1", "l2") for result in ("stored", "refused", "error")
            ],
            links=TO_EXPLORE,
        ),
        lines(
            "Evictions",
            "Entries a second that left isolate memory for want of room. Bad: as many as writes: the memory only "
            "churns.",
            prom(Q.rate(CACHE_EVICTIONS), "evicted"),
            unit="cps",
            colours=("evicted",),
            links=TO_SLO,
        ),
    ]
