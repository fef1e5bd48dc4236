"""The telemetry engine of one isolate: providers, buffer, flush and stats behind one object.

Made while modules are imported, it does no I/O and reads neither clock nor entropy until the first request uses it.
No method raises into the application; `strict=True` (tests) makes misuse and defects loud.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from copy import copy
from dataclasses import replace
from typing import Any

from opentelemetry import trace as trace_api
from opentelemetry.context import Context

from lumigate.telemetry.buffer import Entry, Queue
from lumigate.telemetry.config import TelemetryConfig
from lumigate.telemetry.counts import Counts
from lumigate.telemetry.destinations import Signal
from lumigate.telemetry.encoders import Encoder, load_encoder
from lumigate.telemetry.exceptions import Redact, as_it_is
from lumigate.telemetry.export import Exporter
from lumigate.telemetry.flush import Flusher
from lumigate.telemetry.host import Clock, Entropy, Host
from lumigate.telemetry.ids import IdGenerator, RandomIds
from lumigate.telemetry.instruments import Instrument
from lumigate.telemetry.logs import Logger, LoggerProvider
from lumigate.telemetry.meter import MeterProvider
from lumigate.telemetry.pipeline import Pipeline, SpanProcessor
from lumigate.telemetry.propagation import Propagation
from lumigate.telemetry.provider import TracerProvider
from lumigate.telemetry.readable import ReadableResource
from lumigate.telemetry.records import CUMULATIVE, LogRecord, MetricData, Resource, Scope
from lumigate.telemetry.resource import VERSION, build_resource
from lumigate.telemetry.sampling import ForeignSampler, HeadSampler, head_sampler
from lumigate.telemetry.schema import Metric
from lumigate.telemetry.self_metrics import SELF_METRICS
from lumigate.telemetry.self_recording import SelfRecording
from lumigate.telemetry.sizes import halved_metric, log_bytes, metric_entry, spans_bytes
from lumigate.telemetry.span import RecordingSpan
from lumigate.telemetry.stats import TelemetryStats, read_stats
from lumigate.telemetry.streams import MetricSettings
from lumigate.telemetry.tail import Tail
from lumigate.telemetry.tracer import Tracer


class Telemetry:
    """Everything an application records goes through here. One an isolate."""

    def __init__(
        self,
        config: TelemetryConfig,
        *,
        clock: Clock,
        entropy: Entropy,
        resource: Mapping[str, Any] | None = None,
        metrics: Iterable[Metric] = (),
        scope_name: str = "lumigate",
        scope_version: str = VERSION,
        sampler: ForeignSampler | HeadSampler | None = None,
        id_generator: IdGenerator | None = None,
        span_processors: Iterable[SpanProcessor] = (),
        encoder: Callable[[str], Encoder] = load_encoder,
        strict: bool = False,
        redact: Redact = as_it_is,
    ) -> None:
        self.config = config
        self._clock = clock
        self._counts = Counts()
        self._resource = build_resource(config.service_name, config.resource_attributes, dict(resource or {}))
        self._readable: ReadableResource | None = None
        ids = id_generator or RandomIds(entropy)
        head = sampler or head_sampler(config.sampler, config.sampler_ratio)
        self._pipeline = Pipeline(
            clock=clock,
            ids=ids,
            limits=config.limits,
            counts=self._counts,
            tail=Tail(config.tail, head if isinstance(head, HeadSampler) else None),
            sink=self._take_spans,
            resource=self._readable_resource,
            strict=strict,
            redact=redact,
        )
        self._pipeline.mixed = not isinstance(head, HeadSampler)
        self._pipeline.processors.extend(span_processors)
        self.tracer_provider = TracerProvider(self._pipeline, head, disabled=config.disabled)
        settings = MetricSettings(
            counts=self._counts,
            now_ns=clock.now_ns,
            temporality=config.temporality,
            exemplar_filter=config.exemplar_filter,
            histogram=config.histogram,
            strict=strict,
        )
        self.meter_provider = MeterProvider(
            settings,
            Scope(scope_name, scope_version),
            [*metrics, *SELF_METRICS],
            disabled=config.disabled,
        )
        self.logger_provider = LoggerProvider(
            clock,
            config.limits,
            self._counts,
            self._take_log,
            # what nobody takes is not made either
            disabled=config.disabled or not any("logs" in each.endpoints for each in config.destinations),
            redact=redact,
        )
        self._propagation = Propagation(config.propagators)
        self._self_recording = SelfRecording(self.meter_provider, self._counts)
        self._exporters = self._build_exporters(encoder, lambda: ids.generate_span_id() / 2**64)
        self._queues: dict[Signal, list[Queue]] = {
            signal: [e.queue for e in self._exporters if e.signal == signal]
            for signal in ("traces", "metrics", "logs")
        }
        self._collected_ns = 0
        self._flusher = Flusher(
            config=config.flush,
            clock=clock,
            exporters=self._exporters,
            counts=self._counts,
            resource=lambda: self._resource,
            prepare=self._collect_metrics,
            has_news=self._metrics_are_due,
            report=self._self_recording.flushed,
            failed=self._pipeline.failed,
        )

    @property
    def resource(self) -> Resource:
        """Who is speaking."""
        return self._resource

    def tracer(self, name: str, version: str | None = None) -> Tracer:
        return self.tracer_provider.get_tracer(name, version)

    def logger(self, name: str, version: str | None = None) -> Logger:
        return self.logger_provider.get_logger(name, version)

    def instrument(self, declaration: Metric | str) -> Instrument:
        """The instrument of a declaration; the same one at every call."""
        return self.meter_provider.instrument(declaration)

    def extract(self, headers: Mapping[str, Any]) -> Context:
        """The caller's context from lower-case headers, to be given as `parent`. Malformed headers give none."""
        return self._propagation.extract(headers)

    def inject(
        self,
        span: trace_api.Span | None,
        carrier: MutableMapping[str, Any],
        context: Context | None = None,
    ) -> None:
        """Write the span's context (and the baggage of `context`) into outgoing headers. Never raises."""
        try:
            self._propagation.inject(span, carrier, context)
        except Exception as error:
            self._pipeline.failed("inject", error)

    def after_request(self, host: Host) -> None:
        """Call at the end of each request. May hand an export to `host.background`; awaits nothing, never raises."""
        if self.config.disabled:
            return
        try:
            now = self._clock.now_ns()
            self._pipeline.sweep(now)
            self._flusher.after_request(host, now)
        except Exception as error:
            self._pipeline.failed("after_request", error)

    async def flush(self, host: Host) -> None:
        """Export everything now: at shutdown, from a cron trigger, in tests. Never raises (cancellation apart)."""
        if self.config.disabled:
            return
        try:
            self._pipeline.sweep(self._clock.now_ns())
            await self._flusher.flush(host, force=True)
        except Exception as error:
            self._pipeline.failed("flush", error)

    def report(self, error: Exception) -> None:
        """Count an exception that the application's own telemetry code swallowed. Raised again under test."""
        self._pipeline.failed("application", error)

    def collect_deltas(self) -> list[MetricData]:
        """What has been measured since the last call, as deltas, for the counter shard."""
        now = self._clock.now_ns()
        self._self_recording.bring_up_to_date(self._exporters, now)
        return self.meter_provider.collect_deltas(now)

    def export_metrics(self, metrics: Iterable[MetricData]) -> None:
        """Queue metrics that were collected elsewhere (by the counter shard), to be sent with the next flush."""
        try:
            entries = [metric_entry(data) for data in metrics]
            for queue in self._queues["metrics"]:
                # each queue has entries of its own: they remember what became of them there
                queue.put([copy(entry) for entry in entries])
        except Exception as error:
            self._pipeline.failed("export_metrics", error)

    def stats(self) -> TelemetryStats:
        """The engine's state at a glance."""
        return read_stats(self._counts, self._pipeline, self._exporters, self._clock.now_ns())

    def _take_spans(self, spans: list[RecordingSpan], extra_bytes: int, *, important: bool) -> None:
        queues = self._queues["traces"]
        if queues and spans:
            size = spans_bytes(spans, extra_bytes)
            for queue in queues:
                queue.put([Entry(spans, len(spans), size, important=important)])

    def _take_log(self, record: LogRecord, important: bool, large: bool) -> None:
        size = log_bytes(record, large=large)
        for queue in self._queues["logs"]:
            queue.put([Entry([record], 1, size, important=important)])

    def _metrics_are_due(self, now_ns: int) -> bool:
        """Not while no destination takes any: until then the instruments themselves hold everything, for nothing."""
        interval_ns = int(self.config.flush.metric_interval_ms * 1e6)
        return (
            self.config.exports_own_metrics
            and now_ns >= self._collected_ns + interval_ns
            and any(exporter.is_ready(now_ns) for exporter in self._exporters if exporter.signal == "metrics")
        )

    def _collect_metrics(self, now_ns: int, force: bool) -> None:
        if not self._queues["metrics"] or not self.config.exports_own_metrics:
            return
        if not (force or self._metrics_are_due(now_ns)):
            return
        self._collected_ns = now_ns
        self._self_recording.bring_up_to_date(self._exporters, now_ns)
        found = self.meter_provider.collect(now_ns)
        for queue in self._queues["metrics"]:
            queue.put([metric_entry(data) for data in found])

    def _readable_resource(self) -> ReadableResource:
        if self._readable is None:
            self._readable = ReadableResource(self._resource)
        return self._readable

    def _build_exporters(
        self, encoder: Callable[[str], Encoder], chance: Callable[[], float]
    ) -> list[Exporter]:
        config = self.config
        bounds = {"traces": config.spans, "metrics": config.metrics, "logs": config.logs}
        return [
            Exporter(
                destination=destination.name,
                signal=signal,
                endpoint=replace(
                    endpoint,
                    timeout_seconds=min(endpoint.timeout_seconds, bounds[signal].export_timeout_ms / 1000),
                ),
                encoder=encoder(endpoint.protocol),
                queue=Queue(
                    signal,
                    bounds[signal],
                    self._counts,
                    newest_only=signal == "metrics" and config.temporality == CUMULATIVE,
                    halve=halved_metric if signal == "metrics" else None,
                ),
                clock=self._clock,
                counts=self._counts,
                chance=chance,
                max_request_bytes=config.flush.max_request_bytes,
                report=self._self_recording.exported,
            )
            for destination in config.destinations
            for signal, endpoint in destination.endpoints.items()
        ]
