"""The tracer provider: hands out tracers, and takes the SDK's span processors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry import trace as api

from lumigate.telemetry.attributes import cleaned, safe_text
from lumigate.telemetry.foreign import ForeignlySampledTracer
from lumigate.telemetry.limits import MAX_NAME
from lumigate.telemetry.pipeline import Pipeline, SpanProcessor
from lumigate.telemetry.records import Scope
from lumigate.telemetry.sampling import ForeignSampler, HeadSampler
from lumigate.telemetry.tracer import Tracer


class TracerProvider(api.TracerProvider):
    """Hands out tracers; takes SDK span processors."""

    def __init__(
        self, pipeline: Pipeline, sampler: HeadSampler | ForeignSampler, *, disabled: bool = False
    ) -> None:
        self._pipeline = pipeline
        self._sampler = sampler
        self._disabled = disabled
        self._tracers: dict[tuple[str, str, str], Tracer] = {}

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Tracer:
        name = safe_text(instrumenting_module_name or "", MAX_NAME)
        key = (
            name,
            safe_text(instrumenting_library_version or "", MAX_NAME),
            safe_text(schema_url or "", MAX_NAME),
        )
        tracer = self._tracers.get(key) if not attributes else None
        if tracer is None:
            clean, _, _ = cleaned(attributes, 128, self._pipeline.limits.value_length)
            scope = Scope(*key, clean)
            if isinstance(self._sampler, HeadSampler):
                tracer = Tracer(self._pipeline, scope, self._sampler, disabled=self._disabled)
            else:
                tracer = ForeignlySampledTracer(self._pipeline, scope, self._sampler, disabled=self._disabled)
            if not attributes:
                self._tracers[key] = tracer
        return tracer

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add an OpenTelemetry SDK span processor (and with it, any SDK exporter)."""
        self._pipeline.processors.append(span_processor)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the span processors. Our own exports go through `Telemetry.flush`: they need a request's I/O."""
        done = True
        for processor in self._pipeline.processors:
            flush = getattr(processor, "force_flush", None)
            done = (flush is None or bool(flush(timeout_millis))) and done
        return done

    def shutdown(self) -> None:
        """Shut the span processors down."""
        for processor in self._pipeline.processors:
            stop = getattr(processor, "shutdown", None)
            if stop is not None:
                stop()
