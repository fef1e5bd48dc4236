"""Out of the isolates: what waits, what is dropped, what is sent and how that ends."""

from __future__ import annotations

from dashboards import palette
from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_EXPLORE
from dashboards.boards.telemetry.queries import QUEUE, RESULT, Q
from dashboards.panels import Sized, heatmap, lines, states
from dashboards.promql import attribute_of, legend
from dashboards.targets import prom
from lumigate.telemetry import self_metrics as own

_REASON = attribute_of(own.DROPPED, "reason")
_DROPPED_SIGNAL = attribute_of(own.DROPPED, "signal")


def queues(limits: Limits) -> list[Sized]:
    return [
        lines(
            "Items waiting",
            "Spans, points and records waiting or in flight. Bad: a plateau: the queue is full and drops.",
            prom(Q.level(own.QUEUE_ITEMS, by=QUEUE), legend(*QUEUE)),
            unit="short",
            colours=None,
            links=TO_EXPLORE,
        ),
        lines(
            "Memory of what waits",
            "Estimated bytes. Bad: megabytes; an isolate has 128 MB for everything.",
            prom(Q.level(own.QUEUE_BYTES, by=QUEUE), legend(*QUEUE)),
            unit="bytes",
            colours=None,
            warning=4e6,
            bad=16e6,
            links=TO_EXPLORE,
        ),
        lines(
            "Dropped, by reason",
            "Items lost against intention. Bad: any. `queue_full`: the destination is too slow; `cardinality`: a "
            "label is not bounded; the others: the destination refuses.",
            prom(Q.rate(own.DROPPED, by=(_DROPPED_SIGNAL, _REASON)), legend(_DROPPED_SIGNAL, _REASON)),
            unit="cps",
            colours=None,
            links=limits.links("telemetry-delivered"),
        ),
        lines(
            "Accepted",
            "Items that destinations accepted. Bad: zero with traffic.",
            prom(Q.rate(own.EXPORTED, by=QUEUE), legend(*QUEUE)),
            unit="cps",
            colours=None,
            links=TO_EXPLORE,
        ),
    ]


def exports() -> list[Sized]:
    breaker = {0: ("closed", palette.GOOD), 1: ("half open", palette.WARNING), 2: ("open", palette.BAD)}
    return [
        lines(
            "Export requests by result",
            "Requests by how they ended. Bad: `unavailable`, `timeout`, `connection` (down), `throttled` (too much), "
            "`rejected` (a wrong key or address: it will not mend itself).",
            prom(Q.rate(own.EXPORT_REQUESTS, by=(RESULT,)), legend(RESULT)),
            unit="reqps",
            colours=sorted(RESULT.values or ()),
            links=TO_EXPLORE,
        ),
        lines(
            "Retries",
            "Requests whose items will be sent again. Bad: as many as requests.",
            prom(Q.rate(own.EXPORT_RETRIES, by=QUEUE), legend(*QUEUE)),
            unit="reqps",
            colours=None,
            links=TO_EXPLORE,
        ),
        states(
            "Breakers",
            "One a destination and signal; the worst of the isolates. Bad: open: nothing is sent there until a trial "
            "succeeds.",
            prom(Q.level(own.BREAKER_STATE, by=QUEUE, how="max"), legend(*QUEUE)),
            values=breaker,
            links=TO_EXPLORE,
        ),
        heatmap(
            "Time of an export",
            "From sending to the answer. Bad: a band at the timeout.",
            prom(Q.buckets(own.EXPORT_DURATION), "{{le}}"),
            unit="s",
            links=TO_EXPLORE,
        ),
        lines(
            "Bytes sent",
            "After compression. Bad: a step up after a deploy: attributes grew.",
            prom(Q.rate(own.EXPORT_BYTES, by=QUEUE), legend(*QUEUE)),
            unit="Bps",
            colours=None,
            links=TO_EXPLORE,
        ),
        lines(
            "Time of a flush",
            "Median and 95th percentile over all destinations. Bad: p95 near 30 s.",
            prom(Q.quantile(0.5, own.FLUSH_DURATION), "p50"),
            prom(Q.quantile(0.95, own.FLUSH_DURATION), "p95"),
            unit="s",
            colours=("p50", "p95"),
            bad=20,
            links=TO_EXPLORE,
        ),
    ]
