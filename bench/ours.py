"""Lumigate's engine as an application has it, with one destination that nothing is sent to.

Finished spans go through the decision at the end of their trace into the destination's queue, and are taken from
there as the exporter takes them.
"""

from __future__ import annotations

import os
import time
from typing import Any

from opentelemetry.trace import Span

from bench.rivals import RESOURCE
from bench.workload import EVENT_FIELDS, POINT_COLUMNS, SUMMARY, Attributes
from lumigate.telemetry import Destination, Endpoint, Telemetry, TelemetryConfig
from lumigate.telemetry.buffer import Queue
from lumigate.telemetry.otlp import json as otlp_json
from lumigate.telemetry.otlp import protobuf as otlp_protobuf
from lumigate.telemetry.sampling import HeadSampler
from lumigate.telemetry.schema import Metric
from lumigate.telemetry.sinks.analytics_engine import DataPoint, build_point
from lumigate.telemetry.sinks.wide_event import build_event
from lumigate.wide_events import WideEvents

_LIFETIME_NS = 60_000_000_000
_NOWHERE = Destination(
    name="bench",
    endpoints={
        "traces": Endpoint(url="http://localhost/v1/traces"),
        "logs": Endpoint(url="http://localhost/v1/logs"),
    },
)


class _Clock:
    def now_ns(self) -> int:
        return time.time_ns()

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


class _Entropy:
    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)


class Engine:
    """The engine and its writers."""

    def __init__(self, sampler: HeadSampler | None = None) -> None:
        self._telemetry = Telemetry(
            TelemetryConfig(destinations=(_NOWHERE,)),
            clock=_Clock(),
            entropy=_Entropy(),
            resource=RESOURCE,
            sampler=sampler,
        )
        self.tracer = self._telemetry.tracer("bench", "1.0.0")
        self.queue, self._logs = (exporter.queue for exporter in self._telemetry._exporters)
        self._events = WideEvents(("otlp",), self._telemetry.logger("bench", "1.0.0"))

    def instrument(self, metric: Metric) -> Any:
        """The instrument of a declaration."""
        return self._telemetry.instrument(metric)

    def take_spans(self) -> list[Any]:
        """The spans that were kept since the last call."""
        return _taken(self.queue)

    def spans_as_json(self) -> bytes:
        """OTLP/JSON, as the exporter sends it."""
        return otlp_json.encode_traces(self._telemetry.resource, self.take_spans())

    def spans_as_protobuf(self) -> bytes:
        """OTLP/protobuf, as the exporter sends it."""
        return otlp_protobuf.encode_traces(self._telemetry.resource, self.take_spans())

    def metrics_as_json(self) -> bytes:
        """A collection of all metrics in OTLP/JSON."""
        metrics = self._telemetry.meter_provider.collect(time.time_ns())
        return otlp_json.encode_metrics(self._telemetry.resource, metrics)

    def log_event(self, values: Attributes, span: Span) -> None:
        """The wide event as a log record."""
        self._events.log(values, SUMMARY, time_ns=time.time_ns(), span=span)

    def logs_as_json(self) -> bytes:
        """OTLP/JSON, as the exporter sends it."""
        return otlp_json.encode_logs(self._telemetry.resource, _taken(self._logs))

    def write_point_and_event(self, values: Attributes) -> tuple[DataPoint, str]:
        """The Analytics Engine point and the wide event."""
        return build_point(POINT_COLUMNS, values), build_event(EVENT_FIELDS, values)


def _taken(queue: Queue) -> list[Any]:
    """What is in a queue, as the exporter takes it."""
    records: list[Any] = []
    while (batch := queue.take(time.time_ns(), _LIFETIME_NS, exclusive=False)) is not None:
        records += batch.records()
        queue.delivered(batch)
    return records
