"""The counter shards: batches, series, writers, and the age of what is seen."""

from __future__ import annotations

from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_SLO
from dashboards.boards.telemetry.queries import Q
from dashboards.panels import Sized, lines
from dashboards.promql import attribute_of, legend
from dashboards.targets import prom
from lumigate.catalog import BATCH_RESULT, HEARTBEAT, METRIC_BATCHES, METRIC_LAG
from lumigate.exposition.labels import INSTANCE
from lumigate.shard.self_metrics import BATCHES, ISOLATES, POINTS_DROPPED, POINTS_OVERFLOWED, SERIES


def shard(limits: Limits) -> list[Sized]:
    result = attribute_of(BATCHES, "result")
    return [
        lines(
            "Batches that isolates sent",
            "Batches of deltas by the shard's answer. Bad: `expired` and `refused` are lost counts; `unanswered` that "
            "last: the shard is overloaded.",
            prom(Q.rate(METRIC_BATCHES, by=(BATCH_RESULT,)), legend(BATCH_RESULT)),
            unit="cps",
            colours=sorted(BATCH_RESULT.values or ()),
            links=[*TO_SLO, limits.runbook("counts-contradict")],
        ),
        lines(
            "Batches that shards took",
            "By what became of them. Bad: anything but `stored` and a few `duplicate`.",
            prom(Q.rate(BATCHES, by=(result,)), legend(result)),
            unit="cps",
            colours=sorted(result.values or ()),
            links=[*TO_SLO, limits.runbook("counts-contradict")],
        ),
        lines(
            "How far the shards are behind",
            "Median and 95th percentile from the sealing of an isolate's batch until a shard has counted it. Bad: "
            "seconds: batches are sent again and again; a shard is overloaded, or moves.",
            prom(Q.quantile(0.5, METRIC_LAG), "p50"),
            prom(Q.quantile(0.95, METRIC_LAG), "p95"),
            unit="s",
            colours=("p50", "p95"),
            warning=1,
            bad=10,
            links=[*TO_SLO, limits.runbook("counts-contradict")],
        ),
        lines(
            "Series by shard",
            "What each shard holds. Bad: a steady climb, or one shard apart from the others.",
            prom(f"max by ({INSTANCE}) ({Q.series(SERIES)})", "{{" + INSTANCE + "}}"),
            unit="short",
            colours=None,
            links=TO_SLO,
        ),
        lines(
            "Isolates that shards remember",
            "How many isolates write. Bad: thousands to one shard: raise METRICS_SHARDS.",
            prom(f"max by ({INSTANCE}) ({Q.series(ISOLATES)})", "{{" + INSTANCE + "}}"),
            unit="short",
            colours=None,
            links=TO_SLO,
        ),
        lines(
            "Points lost or lumped together",
            "Points beyond what a shard holds, and points counted without their labels. Bad: any: raise no limit, "
            "bound the label.",
            prom(Q.rate(POINTS_DROPPED), "dropped"),
            prom(Q.rate(POINTS_OVERFLOWED), "overflowed"),
            unit="cps",
            colours=("dropped", "overflowed"),
            links=TO_SLO,
        ),
        lines(
            "Age of what was scraped",
            "Seconds since the last scrape that came through. Bad: more than twice the scrape interval: the gateway "
            "or its token is wrong.",
            # a subquery: what was scraped more than five minutes ago is no sample of now
            prom(
                f"time() - max by (job) (max_over_time(timestamp({Q.series(HEARTBEAT)})[1h:15s]))", "{{job}}"
            ),
            unit="s",
            colours=None,
            warning=60,
            bad=120,
            links=[*TO_SLO, limits.runbook("telemetry-silent")],
        ),
    ]
