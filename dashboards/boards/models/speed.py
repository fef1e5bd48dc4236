"""Time that models take: to the first chunk, between chunks, to the last byte."""

from __future__ import annotations

from dashboards.boards.limits import Limits
from dashboards.boards.models.queries import BY, Q
from dashboards.boards.onward import TO_EXPLORE
from dashboards.panels import Sized, heatmap, lines
from dashboards.promql import legend
from dashboards.targets import prom
from lumigate.catalog import LLM_CHUNK_TIME, LLM_DURATION, LLM_FIRST_CHUNK, ROUTE_DURATION

_QUANTILES = ((0.5, "p50"), (0.95, "p95"))


def time(limits: Limits) -> list[Sized]:
    return [
        lines(
            "Call, to the last byte",
            "Median and 95th percentile of a model call by model; dots are traces. Bad: p95 leaves the median behind.",
            *(
                prom(Q.quantile(q, LLM_DURATION, by=BY), f"{name} {legend(*BY)}", exemplar=True)
                for q, name in _QUANTILES
            ),
            unit="s",
            colours=None,
            links=TO_EXPLORE,
        ),
        heatmap(
            "Where the time of calls lies",
            "Calls by duration. Bad: a band at a round number of seconds: that is a timeout, not an answer.",
            prom(Q.buckets(LLM_DURATION), "{{le}}", exemplar=True),
            unit="s",
            links=TO_EXPLORE,
        ),
        lines(
            "Stream, to the first chunk",
            f"Median and 95th percentile by model. Bad: above what is promised: {limits.words('time-to-first-chunk')}.",
            *(
                prom(Q.quantile(q, LLM_FIRST_CHUNK, by=BY), f"{name} {legend(*BY)}", exemplar=True)
                for q, name in _QUANTILES
            ),
            unit="s",
            colours=None,
            warning=limits.at_most("time-to-first-chunk") / 2,
            bad=limits.at_most("time-to-first-chunk"),
            links=limits.links("time-to-first-chunk"),
        ),
        lines(
            "Stream, between chunks",
            "95th percentile of the pause before the next chunk. Bad: above a quarter of a second; the text stutters.",
            prom(Q.quantile(0.95, LLM_CHUNK_TIME, by=BY), legend(*BY), exemplar=True),
            unit="s",
            colours=None,
            warning=0.16,
            bad=0.32,
            links=TO_EXPLORE,
        ),
        lines(
            "Choosing a provider",
            "99th percentile of the time that routing takes; it is arithmetic. Bad: above what is promised: "
            f"{limits.words('provider-choice')}.",
            prom(Q.quantile(0.99, ROUTE_DURATION), "p99", exemplar=True),
            unit="s",
            colours=("p99",),
            bad=limits.at_most("provider-choice"),
            links=limits.links("provider-choice"),
        ),
    ]
