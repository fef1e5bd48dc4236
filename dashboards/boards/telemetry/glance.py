"""Whether telemetry can be believed, in six figures."""

from __future__ import annotations

from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_EXPLORE, TO_SLO
from dashboards.boards.telemetry.queries import RESULT, Q
from dashboards.panels import Sized, stat
from dashboards.promql import JOB, at_least_zero, ratio, unless
from dashboards.targets import at_the_end, prom
from lumigate.catalog import HEARTBEAT
from lumigate.exposition.names import prometheus_label
from lumigate.shard.self_metrics import SERIES
from lumigate.telemetry import self_metrics as own
from lumigate.telemetry.streams import OVERFLOW

_OVERFLOWED = f'{{{JOB}, {prometheus_label(OVERFLOW)}="true"}}'


def numbers(limits: Limits) -> list[Sized]:
    lost, told = Q.grown(own.DROPPED), Q.grown(own.EXPORTED)
    return [
        stat(
            "Heartbeats, 5 min",
            "Cron runs that came through the whole path in five minutes: one a minute. Bad: 0: the worker, the cron "
            "trigger, the shard or the scrape is broken.",
            prom(at_least_zero(f"max(changes({Q.series(HEARTBEAT)}[5m]))")),
            unit="short",
            warning=4,
            bad=1,
            falling=True,
            links=[*TO_SLO, limits.runbook("telemetry-silent")],
        ),
        stat(
            "Delivered",
            "Items that reached their destination, of all that should have, over the range. Bad: below "
            f"{limits.target('telemetry-delivered'):.2%}, what is promised.",
            at_the_end(f"{told}\n/\n(({told} + ({lost} or vector(0))) > 0)"),
            unit="percentunit",
            bad=limits.target("telemetry-delivered"),
            falling=True,
            decimals=2,
            nothing="nothing to send",
            links=limits.links("telemetry-delivered"),
        ),
        stat(
            "Exports failing now",
            "Share of the export requests that no destination accepted. Bad: above zero for minutes: a collector is "
            "down; see the breakers.",
            prom(
                ratio(
                    at_least_zero(Q.rate(own.EXPORT_REQUESTS, unless(RESULT, "ok", "partial"))),
                    Q.rate(own.EXPORT_REQUESTS),
                )
            ),
            unit="percentunit",
            warning=0.01,
            bad=0.5,
            nothing="no exports",
            links=TO_EXPLORE,
        ),
        stat(
            "Flush, p95",
            "95th percentile of a flush over all destinations. Bad: near 30 s, where the runtime cuts waitUntil.",
            prom(Q.quantile(0.95, own.FLUSH_DURATION)),
            unit="s",
            warning=5,
            bad=20,
            nothing="no flushes",
            links=TO_EXPLORE,
        ),
        stat(
            "Series",
            "Series that the shards hold. Bad: a steady climb: a label is not bounded.",
            prom(Q.level(SERIES)),
            unit="short",
            warning=20_000,
            bad=100_000,
            decimals=0,
            links=TO_SLO,
        ),
        stat(
            "Overflowing metrics",
            "Metrics that reached their cardinality limit: what comes on top is counted without its labels. Bad: any: "
            "break-downs of these metrics are too low.",
            prom(at_least_zero(f"count(count by (__name__) ({_OVERFLOWED}))")),
            unit="short",
            bad=1,
            decimals=0,
            links=TO_SLO,
        ),
    ]
