"""Telemetry health: whether what the other dashboards say can be believed."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards import palette
from dashboards.board import Board, Row, deploys
from dashboards.boards import uids
from dashboards.boards.limits import Limits
from dashboards.links import link
from dashboards.panels import Sized, heatmap, lines, stat, states
from dashboards.promql import JOB, Prom, at_least_zero, attribute_of, legend, ratio, unless
from dashboards.targets import at_the_end, prom
from dashboards.variables import metrics_of
from lumigate.catalog import BATCH_RESULT, HEARTBEAT, METRIC_BATCHES
from lumigate.exposition.labels import INSTANCE
from lumigate.exposition.names import prometheus_label
from lumigate.shard.self_metrics import BATCHES, ISOLATES, POINTS_DROPPED, POINTS_OVERFLOWED, SERIES
from lumigate.telemetry import self_metrics as own
from lumigate.telemetry.schema import Metric
from lumigate.telemetry.streams import OVERFLOW
from slo.model import Promise

_Q = Prom()
_TO_EXPLORE = [link("Logs and traces", uids.EXPLORE, "")]
_TO_SLO = [link("Promises", uids.SLO)]
_DESTINATION = attribute_of(own.EXPORT_REQUESTS, "destination")
_SIGNAL = attribute_of(own.EXPORT_REQUESTS, "signal")
_RESULT = attribute_of(own.EXPORT_REQUESTS, "result")
_REASON = attribute_of(own.DROPPED, "reason")
_DROPPED_SIGNAL = attribute_of(own.DROPPED, "signal")
_QUEUE = (_DESTINATION, _SIGNAL)
_OVERFLOWED = f'{{{JOB}, {prometheus_label(OVERFLOW)}="true"}}'


def board(promises: Sequence[Promise]) -> Board:
    limits = Limits(promises)
    return Board(
        uid=uids.TELEMETRY,
        title="Telemetry health",
        description="Queue, drops, exports, retries, breakers, flush time, the counter shard, heartbeat.",
        tags=("telemetry",),
        variables=metrics_of(),
        annotations=deploys(),
        rows=[
            Row(title="Can this be believed?", panels=_numbers(limits)),
            Row(title="Out of the isolates", panels=[*_queues(), *_exports()]),
            Row(title="Traces", panels=_traces()),
            Row(title="The counter shard", panels=_shard()),
            Row(title="Defects", panels=_defects()),
        ],
    )


def _numbers(limits: Limits) -> list[Sized]:
    lost, told = _Q.grown(own.DROPPED), _Q.grown(own.EXPORTED)
    return [
        stat(
            "Heartbeats, 5 min",
            "Cron runs that came through the whole path in five minutes: one a minute. Bad: 0: the worker, the cron "
            "trigger, the shard or the scrape is broken.",
            prom(f"max(changes({_Q.series(HEARTBEAT)}[5m]))"),
            unit="short",
            warning=4,
            bad=1,
            falling=True,
            links=_TO_SLO,
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
            links=_TO_SLO,
        ),
        stat(
            "Exports failing now",
            "Share of the export requests that no destination accepted. Bad: above zero for minutes: a collector is "
            "down; see the breakers.",
            prom(
                ratio(
                    at_least_zero(_Q.rate(own.EXPORT_REQUESTS, unless(_RESULT, "ok"))),
                    _Q.rate(own.EXPORT_REQUESTS),
                )
            ),
            unit="percentunit",
            warning=0.01,
            bad=0.5,
            nothing="no exports",
            links=_TO_EXPLORE,
        ),
        stat(
            "Flush, p95",
            "95th percentile of a flush over all destinations. Bad: near 30 s, where the runtime cuts waitUntil.",
            prom(_Q.quantile(0.95, own.FLUSH_DURATION)),
            unit="s",
            warning=5,
            bad=20,
            nothing="no flushes",
            links=_TO_EXPLORE,
        ),
        stat(
            "Series",
            "Series that the shards hold. Bad: a steady climb: a label is not bounded.",
            prom(_Q.level(SERIES)),
            unit="short",
            warning=20_000,
            bad=100_000,
            decimals=0,
            links=_TO_SLO,
        ),
        stat(
            "Overflowing metrics",
            "Metrics that reached their cardinality limit: what comes on top is counted without its labels. Bad: any: "
            "break-downs of these metrics are too low.",
            prom(at_least_zero(f"count(count by (__name__) ({_OVERFLOWED}))")),
            unit="short",
            bad=1,
            decimals=0,
            links=_TO_SLO,
        ),
    ]


def _queues() -> list[Sized]:
    return [
        lines(
            "Items waiting",
            "Spans, points and records waiting or in flight. Bad: a plateau: the queue is full and drops.",
            prom(_Q.level(own.QUEUE_ITEMS, by=_QUEUE), legend(*_QUEUE)),
            unit="short",
            colours=None,
            links=_TO_EXPLORE,
        ),
        lines(
            "Memory of what waits",
            "Estimated bytes. Bad: megabytes; an isolate has 128 MB for everything.",
            prom(_Q.level(own.QUEUE_BYTES, by=_QUEUE), legend(*_QUEUE)),
            unit="bytes",
            colours=None,
            warning=4e6,
            bad=16e6,
            links=_TO_EXPLORE,
        ),
        lines(
            "Dropped, by reason",
            "Items lost against intention. Bad: any. `queue_full`: the destination is too slow; `cardinality`: a "
            "label is not bounded; the others: the destination refuses.",
            prom(_Q.rate(own.DROPPED, by=(_DROPPED_SIGNAL, _REASON)), legend(_DROPPED_SIGNAL, _REASON)),
            unit="cps",
            colours=None,
            links=_TO_SLO,
        ),
        lines(
            "Accepted",
            "Items that destinations accepted. Bad: zero with traffic.",
            prom(_Q.rate(own.EXPORTED, by=_QUEUE), legend(*_QUEUE)),
            unit="cps",
            colours=None,
            links=_TO_EXPLORE,
        ),
    ]


def _exports() -> list[Sized]:
    breaker = {0: ("closed", palette.GOOD), 1: ("half open", palette.WARNING), 2: ("open", palette.BAD)}
    return [
        lines(
            "Export requests by result",
            "Requests by how they ended. Bad: `unavailable`, `timeout`, `connection` (down), `throttled` (too much), "
            "`rejected` (a wrong key or address: it will not mend itself).",
            prom(_Q.rate(own.EXPORT_REQUESTS, by=(_RESULT,)), legend(_RESULT)),
            unit="reqps",
            colours=sorted(_RESULT.values or ()),
            links=_TO_EXPLORE,
        ),
        lines(
            "Retries",
            "Requests whose items will be sent again. Bad: as many as requests.",
            prom(_Q.rate(own.EXPORT_RETRIES, by=_QUEUE), legend(*_QUEUE)),
            unit="reqps",
            colours=None,
            links=_TO_EXPLORE,
        ),
        states(
            "Breakers",
            "One a destination and signal; the worst of the isolates. Bad: open: nothing is sent there until a trial "
            "succeeds.",
            prom(_Q.level(own.BREAKER_STATE, by=_QUEUE, how="max"), legend(*_QUEUE)),
            values=breaker,
            links=_TO_EXPLORE,
        ),
        heatmap(
            "Time of an export",
            "From sending to the answer. Bad: a band at the timeout.",
            prom(_Q.buckets(own.EXPORT_DURATION), "{{le}}"),
            unit="s",
            links=_TO_EXPLORE,
        ),
        lines(
            "Bytes sent",
            "After compression. Bad: a step up after a deploy: attributes grew.",
            prom(_Q.rate(own.EXPORT_BYTES, by=_QUEUE), legend(*_QUEUE)),
            unit="Bps",
            colours=None,
            links=_TO_EXPLORE,
        ),
        lines(
            "Time of a flush",
            "Median and 95th percentile over all destinations. Bad: p95 near 30 s.",
            prom(_Q.quantile(0.5, own.FLUSH_DURATION), "p50"),
            prom(_Q.quantile(0.95, own.FLUSH_DURATION), "p95"),
            unit="s",
            colours=("p50", "p95"),
            bad=20,
            links=_TO_EXPLORE,
        ),
    ]


def _traces() -> list[Sized]:
    decision, why = attribute_of(own.SPANS, "decision"), attribute_of(own.TRACES_KEPT, "reason")
    return [
        lines(
            "Spans by decision",
            "Ended spans by what became of their trace. Bad: `kept` near zero, or all of them: the share is set wrong.",
            prom(_Q.rate(own.SPANS, by=(decision,)), legend(decision)),
            unit="cps",
            colours=sorted(decision.values or ()),
            stacked=True,
            width=8,
            links=_TO_EXPLORE,
        ),
        lines(
            "Traces kept, by reason",
            "Why traces were kept. Bad: `error` or `slow` rise: so do errors and slowness.",
            prom(_Q.rate(own.TRACES_KEPT, by=(why,)), legend(why)),
            unit="cps",
            colours=[*sorted(why.values or ()), "other"],
            width=8,
            links=_TO_EXPLORE,
        ),
        lines(
            "Cut short",
            "Traces closed by the engine, and parts of spans left out. Bad: `unfinished`: requests die unseen; parts: "
            "attributes that nobody declared.",
            prom(_Q.rate(own.TRACES_UNFINISHED), "unfinished"),
            prom(
                _Q.rate(own.PARTS_DROPPED, by=(attribute_of(own.PARTS_DROPPED, "part"),)),
                legend(attribute_of(own.PARTS_DROPPED, "part")),
            ),
            unit="cps",
            colours=("unfinished", "attribute", "event", "link"),
            width=8,
            links=_TO_EXPLORE,
        ),
    ]


def _shard() -> list[Sized]:
    result = attribute_of(BATCHES, "result")
    return [
        lines(
            "Batches that isolates sent",
            "Batches of deltas by the shard's answer. Bad: `expired` and `refused` are lost counts; `unanswered` that "
            "last: the shard is overloaded.",
            prom(_Q.rate(METRIC_BATCHES, by=(BATCH_RESULT,)), legend(BATCH_RESULT)),
            unit="cps",
            colours=sorted(BATCH_RESULT.values or ()),
            links=_TO_SLO,
        ),
        lines(
            "Batches that shards took",
            "By what became of them. Bad: anything but `stored` and a few `duplicate`.",
            prom(_Q.rate(BATCHES, by=(result,)), legend(result)),
            unit="cps",
            colours=sorted(result.values or ()),
            links=_TO_SLO,
        ),
        lines(
            "Series by shard",
            "What each shard holds. Bad: a steady climb, or one shard apart from the others.",
            prom(f"max by ({INSTANCE}) ({_Q.series(SERIES)})", "{{" + INSTANCE + "}}"),
            unit="short",
            colours=None,
            links=_TO_SLO,
        ),
        lines(
            "Isolates that shards remember",
            "How many isolates write. Bad: thousands to one shard: raise METRICS_SHARDS.",
            prom(f"max by ({INSTANCE}) ({_Q.series(ISOLATES)})", "{{" + INSTANCE + "}}"),
            unit="short",
            colours=None,
            links=_TO_SLO,
        ),
        lines(
            "Points lost or lumped together",
            "Points beyond what a shard holds, and points counted without their labels. Bad: any: raise no limit, "
            "bound the label.",
            prom(_Q.rate(POINTS_DROPPED), "dropped"),
            prom(_Q.rate(POINTS_OVERFLOWED), "overflowed"),
            unit="cps",
            colours=("dropped", "overflowed"),
            links=_TO_SLO,
        ),
        lines(
            "Age of what was scraped",
            "Seconds since the last scrape that came through. Bad: more than twice the scrape interval: the gateway "
            "or its token is wrong.",
            prom(f"time() - max by (job) (timestamp({_Q.series(HEARTBEAT)}))", "{{job}}"),
            unit="s",
            colours=None,
            warning=60,
            bad=120,
            links=_TO_SLO,
        ),
    ]


def _defects() -> list[Sized]:
    return [
        _by_word(
            "Swallowed errors",
            own.ENGINE_ERRORS,
            "where",
            "Exceptions that the engine kept from its host. Bad: any: report it.",
        ),
        _by_word(
            "Misuse",
            own.MISUSE,
            "kind",
            "Calls the engine could not honour. Bad: any: a defect of the application.",
        ),
        _by_word(
            "Recoveries",
            own.FLUSH_RECOVERIES,
            "what",
            "Leases and batches taken over from a request that died. Bad: many: requests are cut; "
            "see the platform row of the overview.",
        ),
    ]


def _by_word(title: str, metric: Metric, key: str, description: str) -> Sized:
    attribute = attribute_of(metric, key)
    return lines(
        title,
        description,
        prom(_Q.grown_by_step(metric, by=(attribute,)), legend(attribute)),
        unit="short",
        colours=sorted(attribute.values) if attribute.values else None,
        bars=True,
        width=8,
        links=_TO_EXPLORE,
    )
