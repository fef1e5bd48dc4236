"""The root of a trace that is not sampled, watched: it becomes a recorded span once the request is worth showing.

Until then it holds what it was given and nothing more, which costs 2 to 3 us a request in wasm; recording it like any
other would cost 6. It is worth showing if it fails, here or in a span below it, if the application says `keep`, or if
it turns out slow. Then the root alone is exported: the spans below it were never made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Status, StatusCode, TraceState

from lumigate.telemetry.attributes import cleaned, memory_of, safe_text
from lumigate.telemetry.limits import MAX_NAME
from lumigate.telemetry.local_trace import LocalTrace
from lumigate.telemetry.span import RecordingSpan
from lumigate.telemetry.unsampled import UnsampledSpan, is_error

if TYPE_CHECKING:
    from lumigate.telemetry.pipeline import Pipeline
    from lumigate.telemetry.records import Scope


class WatchedRoot(UnsampledSpan):
    """Records attributes, and, from the first error or `keep` on, everything."""

    __slots__ = (
        "_attributes",
        "_ended",
        "_kind",
        "_name",
        "_options",
        "_parent_id",
        "_pipeline",
        "_recorded",
        "_scope",
        "_start_ns",
        "span_below",
    )

    def __init__(  # noqa: PLR0917 # one call a request: keyword arguments cost as much as all the rest
        self,
        trace_id: int,
        span_id: int,
        flags: int,
        trace_state: TraceState | None,
        pipeline: Pipeline,
        scope: Scope,
        parent_id: int,
        name: str,
        kind: int,
        attributes: Mapping[str, Any] | None,
        start_ns: int,
        options: int,
    ) -> None:
        self._trace_id = trace_id
        self._span_id = span_id
        self._flags = flags
        self._trace_state = trace_state
        self._context = None
        self._pipeline = pipeline
        self._scope = scope
        self._parent_id = parent_id
        self._name = name
        self._kind = kind
        self._attributes: dict[str, Any] = attributes.copy() if type(attributes) is dict else {}
        """As they were given: they are made clean if they are ever needed."""
        self._start_ns = start_ns or pipeline.now_ns()
        self._options = options
        self._recorded: RecordingSpan | None = None
        self.span_below: UnsampledSpan | None = None
        """What every span below this one is; made for the first of them."""
        self._ended = False
        if attributes and not self._attributes:
            self.set_attributes(attributes)

    def make_span_below(self) -> UnsampledSpan:
        self.span_below = UnsampledSpan(
            self._trace_id, self._span_id, self._flags & 0xFF, self._trace_state, self
        )
        return self.span_below

    def recorded(self) -> RecordingSpan:
        """This span as one that is recorded, from now on."""
        span = self._recorded
        if span is None:
            pipeline = self._pipeline
            state = self._trace_state.to_header() if self._trace_state else ""
            trace = LocalTrace(
                pipeline, self._trace_id, state, self._flags & 0xFF, None, False, self._start_ns
            )
            trace.watched = True
            pipeline.begin_trace(trace)
            limits = pipeline.limits
            clean, dropped, heavy = cleaned(
                self._attributes, limits.span_attributes, limits.span_value_length
            )
            span = self._recorded = RecordingSpan(
                trace,
                None,
                self._parent_id,
                self._flags,
                self._span_id,
                safe_text(self._name, MAX_NAME),
                self._kind,
                self._scope,
                self._start_ns,
                clean,
                self._options,
            )
            trace.root = span
            trace.spans.append(span)
            trace.open = 1
            pipeline.live_spans += 1
            if dropped:
                span._drop_attributes(dropped)
            if heavy and not pipeline.reserve(trace, memory_of(clean)):
                span._drop_attributes(len(clean))
                span.attributes = {}
            if pipeline.processors:
                pipeline.started(span, None)
        return span

    def is_recording(self) -> bool:
        return not self._ended

    def keep(self, reason: str) -> None:
        if not self._ended:
            self.recorded().keep(reason)

    @property
    def kept(self) -> bool:
        return self._recorded is not None and self._recorded.kept

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        try:
            for key, value in attributes.items():
                self.set_attribute(key, value)
        except Exception:
            self._pipeline.misuse("attributes_not_a_mapping", self._name)

    def set_attribute(self, key: str, value: Any) -> None:
        if self._recorded is not None:
            self._recorded.set_attribute(key, value)
        elif not self._ended and type(key) is str:
            attributes = self._attributes
            if key in attributes or len(attributes) < self._pipeline.limits.span_attributes:
                attributes[key] = value

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        if self._recorded is not None:
            self._recorded.add_event(name, attributes, timestamp)

    def update_name(self, name: str) -> None:
        self._name = name
        if self._recorded is not None:
            self._recorded.update_name(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if self._recorded is not None or (is_error(status) and not self._ended):
            self.recorded().set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        if not self._ended:
            self.recorded().record_exception(exception, attributes, timestamp, escaped)

    def record_escape(self, exception: BaseException) -> None:
        if not self._ended:
            self.recorded().record_escape(exception)

    def failed_below(self) -> None:
        """A span below has failed."""
        if not self._ended:
            self.recorded()._trace.error = True

    def end(self, end_time: int | None = None) -> None:
        if self._ended:
            return
        pipeline = self._pipeline
        if self._recorded is None and pipeline.watches_slow:
            end_ns = end_time if type(end_time) is int else pipeline.now_ns()
            if pipeline.is_slow(self._attributes, end_ns - self._start_ns):
                self.recorded()
        if self._recorded is None:
            pipeline.counts.spans_unsampled += 1
        else:
            self._recorded.end(end_time)
        self._ended = True
