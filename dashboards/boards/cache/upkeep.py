"""What goes past the cache, who waits for an answer that is asked for already, what is asked anew, what is purged."""

from __future__ import annotations

from dashboards.boards.cache.queries import Q
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS
from dashboards.panels import Sized, lines
from dashboards.promql import legend
from dashboards.targets import prom
from lumigate.catalog import (
    BYPASS_REASON,
    CACHE_BYPASSES,
    CACHE_PURGES,
    CACHE_REVALIDATIONS,
    CACHE_WAIT,
    CACHE_WAITS,
    PURGE_KIND,
    REVALIDATION,
)


def panels() -> list[Sized]:
    return [
        lines(
            "Past the cache, by reason",
            "Requests a second that may not be answered from the cache: the caller's wish, or the rule that forbids "
            "it. Bad: a rule that keeps out most of the traffic by mistake.",
            prom(Q.rate(CACHE_BYPASSES, by=(BYPASS_REASON,)), legend(BYPASS_REASON)),
            unit="reqps",
            colours=sorted(BYPASS_REASON.values or ()),
            stacked=True,
            links=TO_POINTS,
        ),
        lines(
            "Waits for the same question",
            "Requests that waited while another of their isolate asked the same, by how that ended. Bad: `timeout`: "
            "models take longer than CACHE_STAMPEDE_MS, and the crowd goes through.",
            prom(Q.rate(CACHE_WAITS, by=(CACHE_WAIT,)), legend(CACHE_WAIT)),
            unit="reqps",
            colours=sorted(CACHE_WAIT.values or ()),
            links=TO_EXPLORE,
        ),
        lines(
            "Stale answers asked for anew",
            "Revalidations in the background by what became of them. Bad: `failed`: what is served grows old.",
            prom(Q.rate(CACHE_REVALIDATIONS, by=(REVALIDATION,)), legend(REVALIDATION)),
            unit="reqps",
            colours=sorted(REVALIDATION.values or ()),
            links=TO_EXPLORE,
        ),
        lines(
            "Purges",
            "Purges by kind. Bad: one that nobody of you made; `all` empties the cache for every tenant.",
            prom(Q.grown_by_step(CACHE_PURGES, by=(PURGE_KIND,)), legend(PURGE_KIND)),
            unit="short",
            colours=sorted(PURGE_KIND.values or ()),
            bars=True,
            links=TO_EXPLORE,
        ),
    ]
