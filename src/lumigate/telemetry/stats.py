"""The engine's state at a glance, for a live view and for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lumigate.telemetry.breaker import BreakerState
from lumigate.telemetry.counts import Counts
from lumigate.telemetry.export import Exporter
from lumigate.telemetry.pipeline import Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """One destination's queue of one signal."""

    destination: str
    signal: str
    items: int
    bytes: int
    in_flight: int
    breaker: str
    """`closed`, `half_open` or `open`."""
    exports_ok: int
    exports_failed: int
    exported_items: int
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryStats:
    """Counts since the isolate began, and what is in memory now."""

    spans_started: int
    spans_kept: int
    spans_sampled_out: int
    spans_unsampled: int
    spans_exported: int
    spans_live: int
    traces_live: int
    traces_kept: Mapping[str, int]
    traces_unfinished: int
    dropped: Mapping[tuple[str, str], int]
    """(signal, reason): items."""
    attributes_dropped: int
    misuse: Mapping[str, int]
    errors: Mapping[str, int]
    queues: tuple[QueueStats, ...]
    flushes: int
    retries: int
    reclaimed: int
    leases_taken_over: int

    @property
    def spans_dropped(self) -> int:
        return sum(count for (signal, _), count in self.dropped.items() if signal == "traces")


def read_stats(
    counts: Counts, pipeline: Pipeline, exporters: Iterable[Exporter], now_ns: int
) -> TelemetryStats:
    """A copy of what is counted, that does not change any more."""
    return TelemetryStats(
        spans_started=counts.spans_kept + counts.spans_sampled_out + pipeline.live_spans,
        spans_kept=counts.spans_kept,
        spans_sampled_out=counts.spans_sampled_out,
        spans_unsampled=counts.spans_unsampled,
        spans_exported=sum(n for (_, signal), n in counts.exported.items() if signal == "traces"),
        spans_live=pipeline.live_spans,
        traces_live=len(pipeline.traces),
        traces_kept=dict(counts.traces_kept),
        traces_unfinished=counts.traces_unfinished,
        dropped=dict(counts.dropped),
        attributes_dropped=counts.attributes_dropped,
        misuse=dict(counts.misuse),
        errors=dict(counts.errors),
        queues=tuple(_queue_stats(counts, exporter, now_ns) for exporter in exporters),
        flushes=counts.flushes,
        retries=sum(counts.retries.values()),
        reclaimed=counts.reclaimed,
        leases_taken_over=counts.leases_taken_over,
    )


def _queue_stats(counts: Counts, exporter: Exporter, now_ns: int) -> QueueStats:
    place = (exporter.destination, exporter.signal)
    results = {r: n for (d, s, r), n in counts.requests.items() if (d, s) == place}
    ok = results.pop("ok", 0) + results.pop("partial", 0)
    return QueueStats(
        destination=exporter.destination,
        signal=exporter.signal,
        items=exporter.queue.items,
        bytes=exporter.queue.bytes,
        in_flight=sum(batch.items for batch in exporter.queue.in_flight),
        breaker=BreakerState(exporter.breaker.state(now_ns)).name.lower(),
        exports_ok=ok,
        exports_failed=sum(results.values()),
        exported_items=counts.exported.get(place, 0),
        last_error=exporter.last_error,
    )
