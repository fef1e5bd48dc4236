"""Lumigate's engine, set up as the rival is: finished spans go into a list, and nothing is sent."""

from __future__ import annotations

import os
import time
from typing import Any

from bench.rivals import RESOURCE
from lumigate.telemetry.counts import Counts
from lumigate.telemetry.ids import RandomIds
from lumigate.telemetry.limits import Limits
from lumigate.telemetry.meter import MeterProvider
from lumigate.telemetry.otlp import json as otlp_json
from lumigate.telemetry.otlp import protobuf as otlp_protobuf
from lumigate.telemetry.pipeline import Pipeline
from lumigate.telemetry.readable import ReadableResource
from lumigate.telemetry.records import Resource, Scope, SpanRecord
from lumigate.telemetry.sampling import HeadSampler
from lumigate.telemetry.streams import MetricSettings
from lumigate.telemetry.tail import Tail, TailPolicy
from lumigate.telemetry.tracer import TracerProvider


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
        counts = Counts()
        self.resource = Resource(attributes=RESOURCE)
        self._spans: list[SpanRecord] = []
        pipeline = Pipeline(
            clock=_Clock(),
            ids=RandomIds(_Entropy()),
            limits=Limits(),
            counts=counts,
            tail=Tail(TailPolicy(), head_samples_a_part=False),
            sink=self._sink,
            resource=lambda: ReadableResource(self.resource),
            strict=True,
        )
        self.tracer = TracerProvider(pipeline, sampler or HeadSampler()).get_tracer("bench", "1.0.0")
        settings = MetricSettings(counts=counts, now_ns=time.time_ns, strict=True)
        self.meters = MeterProvider(settings, Scope("bench", "1.0.0"))

    def _sink(self, spans: Any, extra_bytes: int, *, important: bool) -> None:
        self._spans += spans

    def take_spans(self) -> list[SpanRecord]:
        """The spans that were kept since the last call."""
        spans, self._spans = self._spans, []
        return spans

    def spans_as_json(self) -> bytes:
        """OTLP/JSON, as the exporter sends it."""
        return otlp_json.encode_traces(self.resource, self.take_spans())

    def spans_as_protobuf(self) -> bytes:
        """OTLP/protobuf, as the exporter sends it."""
        return otlp_protobuf.encode_traces(self.resource, self.take_spans())

    def metrics_as_json(self) -> bytes:
        """A collection of all metrics in OTLP/JSON."""
        return otlp_json.encode_metrics(self.resource, self.meters.collect(time.time_ns()))
