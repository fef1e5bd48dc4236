"""Turns the engine's counts into its own metrics, at each collection and never on the hot path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lumigate.telemetry import self_metrics as declared
from lumigate.telemetry.counts import Counts
from lumigate.telemetry.export import Exporter, ExportResult
from lumigate.telemetry.meter import MeterProvider
from lumigate.telemetry.schema import Metric


class SelfRecording:
    """Remembers how much of each count has been recorded, and records the rest."""

    def __init__(self, meters: MeterProvider, counts: Counts) -> None:
        self._meters = meters
        self._counts = counts
        self._recorded: dict[tuple[str, object], int] = {}

    def exported(self, result: ExportResult) -> None:
        attributes = {
            "destination": result.destination,
            "signal": result.signal,
            "result": result.result,
        }
        self._meters.instrument(declared.EXPORT_DURATION).record(result.seconds, attributes)

    def flushed(self, seconds: float) -> None:
        self._meters.instrument(declared.FLUSH_DURATION).record(seconds)

    def bring_up_to_date(self, exporters: Iterable[Exporter], now_ns: int) -> None:
        """Record what has been counted since the last time, and the state of the queues."""
        counts = self._counts
        for exporter in exporters:
            key = {"destination": exporter.destination, "signal": exporter.signal}
            self._set(declared.QUEUE_ITEMS, exporter.queue.items, key)
            self._set(declared.QUEUE_BYTES, exporter.queue.bytes, key)
            self._set(declared.BREAKER_STATE, int(exporter.breaker.state(now_ns)), key)
        self._add_all(declared.DROPPED, ("signal", "reason"), counts.dropped)
        self._add_all(declared.EXPORTED, ("destination", "signal"), counts.exported)
        self._add_all(declared.EXPORT_REQUESTS, ("destination", "signal", "result"), counts.requests)
        self._add_all(declared.EXPORT_RETRIES, ("destination", "signal"), counts.retries)
        self._add_all(declared.EXPORT_BYTES, ("destination", "signal"), counts.bytes_sent)
        self._add_each(declared.TRACES_KEPT, "reason", counts.traces_kept)
        self._add_each(declared.MISUSE, "kind", counts.misuse)
        self._add_each(declared.ENGINE_ERRORS, "where", counts.errors)
        self._add_each(
            declared.FLUSH_RECOVERIES, "what", {"lease": counts.leases_taken_over, "batch": counts.reclaimed}
        )
        self._add_each(
            declared.SPANS,
            "decision",
            {
                "kept": counts.spans_kept,
                "sampled_out": counts.spans_sampled_out,
                "unsampled": counts.spans_unsampled,
            },
        )
        self._add(declared.TRACES_UNFINISHED, {}, counts.traces_unfinished)
        self._add_each(
            declared.PARTS_DROPPED,
            "part",
            {
                "attribute": counts.attributes_dropped,
                "event": counts.events_dropped,
                "link": counts.links_dropped,
            },
        )

    def _add_all(
        self,
        metric: Metric,
        keys: tuple[str, ...],
        counted: Mapping[tuple[str, ...], int] | Mapping[Any, int],
    ) -> None:
        for values, total in list(counted.items()):
            self._add(metric, dict(zip(keys, values, strict=True)), total)

    def _add_each(self, metric: Metric, key: str, counted: Mapping[str, int]) -> None:
        for value, total in list(counted.items()):
            self._add(metric, {key: value}, total)

    def _add(self, metric: Metric, attributes: dict[str, str], total: int) -> None:
        place = (metric.name, tuple(attributes.values()))
        news = total - self._recorded.get(place, 0)
        if news:
            self._recorded[place] = total
            self._meters.instrument(metric).add(news, attributes)

    def _set(self, metric: Metric, value: int, attributes: dict[str, str]) -> None:
        self._meters.instrument(metric).set(value, attributes)
