"""The tiers: time, writes, what moves up and what leaves, bytes, breakers."""

from __future__ import annotations

from dashboards.boards.cache.queries import TIERS, Q, by_tier
from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_EXPLORE
from dashboards.panels import Sized, lines
from dashboards.promql import legend
from dashboards.targets import prom
from lumigate.catalog import (
    CACHE_BREAKER,
    CACHE_BREAKER_CHANGES,
    CACHE_BYTES,
    CACHE_DURATION,
    CACHE_EVICTIONS,
    CACHE_FLOW,
    CACHE_PROMOTIONS,
    CACHE_TIER,
    CACHE_WRITES,
    EVICTION_REASON,
    WRITE_RESULT,
)


def tiers(limits: Limits) -> list[Sized]:
    return [
        lines(
            "Time of a lookup by tier",
            "Median and 95th percentile. Bad: l1 above what is promised for its hits: "
            f"{limits.words('l1-hits')}; l2 or l3 near the time of a model call.",
            *(
                prom(
                    Q.quantile(q, CACHE_DURATION, by=(CACHE_TIER,)),
                    f"{name} {legend(CACHE_TIER)}",
                    exemplar=True,
                )
                for q, name in ((0.95, "p95"), (0.5, "p50"))
            ),
            unit="s",
            colours=[f"{name} {tier}" for name in ("p95", "p50") for tier in TIERS],
            links=[*TO_EXPLORE, limits.runbook("l1-hits")],
        ),
        lines(
            "Writes by tier and result",
            "Answers stored a second. Bad: `refused` (answers too large for the tier) or `error`.",
            prom(Q.rate(CACHE_WRITES, by=(CACHE_TIER, WRITE_RESULT)), legend(CACHE_TIER, WRITE_RESULT)),
            unit="wps",
            colours=by_tier(*sorted(WRITE_RESULT.values or ())),
            links=TO_EXPLORE,
        ),
        lines(
            "Promotions",
            "Hits a second that moved up, by the tier they were found in. Bad: as many as hits: nothing stays where "
            "it was moved to.",
            prom(Q.rate(CACHE_PROMOTIONS, by=(CACHE_TIER,)), legend(CACHE_TIER)),
            unit="cps",
            colours=TIERS,
            links=TO_EXPLORE,
        ),
        lines(
            "Evictions by tier and reason",
            "Entries a second that left. Bad: `capacity` with a falling l1 hit rate: the memory only churns, raise "
            "CACHE_L1_BYTES; `purged` that nobody asked for.",
            prom(
                Q.rate(CACHE_EVICTIONS, by=(CACHE_TIER, EVICTION_REASON)),
                legend(CACHE_TIER, EVICTION_REASON),
            ),
            unit="cps",
            colours=[f"l1 · {reason}" for reason in sorted(EVICTION_REASON.values or ())],
            links=TO_EXPLORE,
        ),
        lines(
            "Bytes by tier",
            "Entries read from and written to a tier, in bytes. Bad: far more written than read: answers are kept "
            "that nobody asks for again.",
            prom(Q.rate(CACHE_BYTES, by=(CACHE_TIER, CACHE_FLOW)), legend(CACHE_TIER, CACHE_FLOW)),
            unit="Bps",
            colours=by_tier(*sorted(CACHE_FLOW.values or ())),
            links=TO_EXPLORE,
        ),
        lines(
            "Breakers of tiers",
            "How often breakers of isolates opened, let a probe through, and closed again. Bad: `open` without "
            "`closed` after it: the tier is down, see its binding.",
            prom(
                Q.grown_by_step(CACHE_BREAKER_CHANGES, by=(CACHE_TIER, CACHE_BREAKER)),
                legend(CACHE_TIER, CACHE_BREAKER),
            ),
            unit="short",
            colours=by_tier(*sorted(CACHE_BREAKER.values or ())),
            bars=True,
            links=TO_EXPLORE,
        ),
    ]
