"""The span: what the application writes to, and, once ended, the record the encoders read (nothing is copied).

`Span` is the type to annotate with; the other kind, `UnsampledSpan`, has its own file. No method raises for odd
arguments: what cannot be kept is dropped and counted.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry import trace as api
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags, TraceState

from lumigate.telemetry.attributes import (
    PLAIN_LENGTH,
    are_plain,
    clean_key,
    clean_value,
    cleaned,
    is_plain,
    is_plain_list,
    memory_of,
    safe_text,
)
from lumigate.telemetry.exceptions import describe_exception, exception_summary
from lumigate.telemetry.limits import MAX_NAME
from lumigate.telemetry.records import END_OF_TIME_NS, EventRecord, LinkRecord, Scope, SpanRecord

if TYPE_CHECKING:
    from lumigate.telemetry.local_trace import LocalTrace

HAS_IS_REMOTE: Final = 0x100
IS_REMOTE: Final = 0x200
ERROR: Final = 2
_OK: Final = 1

PART_BYTES: Final = 250
"""Memory of an event or a link beside its attributes."""

# bits of RecordingSpan._options
_RECORD_EXCEPTION: Final = 2
_STATUS_ON_EXCEPTION: Final = 4
DEFAULT_OPTIONS: Final = _RECORD_EXCEPTION | _STATUS_ON_EXCEPTION


def options_of(record_exception: bool, set_status_on_exception: bool) -> int:
    return (_RECORD_EXCEPTION if record_exception else 0) | (
        _STATUS_ON_EXCEPTION if set_status_on_exception else 0
    )


class Span(api.Span):
    """A span of this engine: OpenTelemetry's, and `keep`."""

    __slots__ = ()

    @abstractmethod
    def keep(self, reason: str) -> None:
        """Keep this trace whatever the share says; `reason` (say `fallback`) is recorded. The first reason stays."""

    @property
    @abstractmethod
    def kept(self) -> bool:
        """Whether the trace is exported. False until its local root has ended: that is when it is decided."""


class RecordingSpan(SpanRecord, Span):
    """A span that is recorded. Made by `Tracer.start_span` only."""

    __slots__ = ("_context", "_options", "_parent", "_trace")

    def __init__(  # noqa: PLR0917 # one call a span: keyword arguments cost a third of it
        self,
        trace: LocalTrace,
        parent: RecordingSpan | None,
        parent_id: int,
        flags: int,
        span_id: int,
        name: str,
        kind: int,
        scope: Scope,
        start_ns: int,
        attributes: dict[str, Any],
        options: int,
    ) -> None:
        self.name = name
        self.trace_id = trace.trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        self.trace_state = trace.trace_state
        self.flags = flags
        self.kind = kind
        self.start_ns = start_ns
        self.end_ns = 0
        self.attributes = attributes
        self.dropped_attributes = 0
        self.events = ()
        self.dropped_events = 0
        self.links = ()
        self.dropped_links = 0
        self.status_code = 0
        self.status_message = ""
        self.scope = scope
        self._trace = trace
        self._parent = parent
        self._options = options
        self._context: SpanContext | None = None

    def get_span_context(self) -> SpanContext:
        context = self._context
        if context is None:
            state = TraceState.from_header([self.trace_state]) if self.trace_state else None
            context = SpanContext(self.trace_id, self.span_id, False, TraceFlags(self.flags & 0xFF), state)
            self._context = context
        return context

    def is_recording(self) -> bool:
        return self.end_ns == 0

    def keep(self, reason: str) -> None:
        if not self._trace.keep_reason:
            self._trace.keep_reason = safe_text(reason, 64)

    @property
    def kept(self) -> bool:
        verdict = self._trace.verdict
        return verdict is not None and verdict.keep

    def set_attribute(self, key: str, value: Any) -> None:
        if self.end_ns:
            self._misuse("attribute_after_end")
            return
        attributes = self.attributes
        limits = self._trace.pipeline.limits
        if is_plain(value) and type(key) is str and key and key.isascii():
            if key in attributes or len(attributes) < limits.span_attributes:
                attributes[key] = (
                    value
                    if type(value) is not str or len(value) <= limits.span_value_length
                    else value[: limits.span_value_length]
                )
                return
            self._drop_attributes(1)
            return
        if (
            is_plain_list(value)
            and type(key) is str
            and key
            and key.isascii()
            and limits.span_value_length >= PLAIN_LENGTH
            and len(attributes) < limits.span_attributes
        ):
            attributes[key] = value.copy()
            return
        name, clean = clean_key(key, limits.span_value_length), clean_value(value, limits.span_value_length)
        if (
            name is None
            or clean is None
            or (name not in attributes and len(attributes) >= limits.span_attributes)
        ):
            self._drop_attributes(1)
            return
        if not self._trace.pipeline.reserve(self._trace, memory_of({name: clean})):
            self._drop_attributes(1)
            return
        attributes[name] = clean

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        limits = self._trace.pipeline.limits
        if (
            type(attributes) is dict
            and not self.end_ns
            and len(self.attributes) + len(attributes) <= limits.span_attributes
            and limits.span_value_length >= PLAIN_LENGTH
            and are_plain(attributes)
        ):
            self.attributes.update(attributes)  # one by one they would cost three times as much
            return
        try:
            items = attributes.items()
            for key, value in items:
                self.set_attribute(key, value)
        except Exception:
            self._misuse("attributes_not_a_mapping")

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        if self.end_ns:
            self._misuse("event_after_end")
            return
        limits = self._trace.pipeline.limits
        if len(self.events) >= limits.events:
            self.dropped_events += 1
            self._trace.pipeline.counts.events_dropped += 1
            return
        clean, dropped, _ = cleaned(attributes, limits.event_attributes, limits.value_length)
        self._trace.pipeline.counts.attributes_dropped += dropped
        if not self._trace.pipeline.reserve(self._trace, PART_BYTES + memory_of(clean)):
            self.dropped_events += 1
            self._trace.pipeline.counts.events_dropped += 1
            return
        event = EventRecord(safe_text(name, MAX_NAME), self._moment(timestamp), clean, dropped)
        if self.events:
            cast("list[EventRecord]", self.events).append(event)
        else:
            self.events = [event]

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        if self.end_ns:
            self._misuse("link_after_end")
            return
        target: object = context
        if not isinstance(target, SpanContext):
            self._misuse("bad_link")
            return
        if not (context.is_valid or attributes or context.trace_state):
            return
        limits = self._trace.pipeline.limits
        if len(self.links) >= limits.links:
            self.dropped_links += 1
            self._trace.pipeline.counts.links_dropped += 1
            return
        clean, dropped, _ = cleaned(attributes, limits.link_attributes, limits.value_length)
        self._trace.pipeline.counts.attributes_dropped += dropped
        if not self._trace.pipeline.reserve(self._trace, PART_BYTES + memory_of(clean)):
            self.dropped_links += 1
            self._trace.pipeline.counts.links_dropped += 1
            return
        link = LinkRecord(
            context.trace_id,
            context.span_id,
            context.trace_state.to_header() if context.trace_state else "",
            int(context.trace_flags) | HAS_IS_REMOTE | (IS_REMOTE if context.is_remote else 0),
            clean,
            dropped,
        )
        if self.links:
            cast("list[LinkRecord]", self.links).append(link)
        else:
            self.links = [link]

    def update_name(self, name: str) -> None:
        if self.end_ns:
            self._misuse("name_after_end")
            return
        self.name = safe_text(name, MAX_NAME)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if self.end_ns:
            self._misuse("status_after_end")
            return
        code: object = status
        if isinstance(status, Status):
            code, description = status.status_code, status.description
        # OK is final, and UNSET is never set: https://opentelemetry.io/docs/specs/otel/trace/api/#set-status
        if self.status_code == _OK or not isinstance(code, StatusCode) or code is StatusCode.UNSET:
            return
        self.status_code = code.value
        self.status_message = (
            safe_text(description, self._trace.pipeline.limits.value_length)
            if description and code is StatusCode.ERROR
            else ""
        )

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        pipeline = self._trace.pipeline
        described = describe_exception(
            exception, pipeline.limits.value_length, pipeline.redact, escaped=escaped
        )
        if attributes:
            try:
                described.update(attributes)
            except Exception:
                self._misuse("attributes_not_a_mapping")
        self.add_event("exception", described, timestamp)

    def end(self, end_time: int | None = None) -> None:
        # a second end is allowed and ignored: `with span:` around code that ends it is common
        if not self.end_ns:
            trace = self._trace
            pipeline = trace.pipeline
            if end_time is None:
                now = pipeline.now_ns()
                if now <= trace.last_ns:
                    now = trace.last_ns + 1
                trace.last_ns = now
                pipeline.end_span(trace, self, now)
            else:
                pipeline.end_span(trace, self, self._moment(end_time))

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if exc_val is not None and not self.end_ns:
            self.record_escape(exc_val)
        self.end()

    def record_escape(self, exception: BaseException) -> None:
        """What leaving a `with` block by an exception records, as the span was told at its start."""
        if self._options & _RECORD_EXCEPTION:
            self.record_exception(exception, escaped=True)
        if self._options & _STATUS_ON_EXCEPTION:
            self.set_status(StatusCode.ERROR, exception_summary(exception, self._trace.pipeline.redact))

    def __repr__(self) -> str:
        return f"RecordingSpan({self.name!r}, trace_id={self.trace_id:032x}, span_id={self.span_id:016x})"

    def _moment(self, given: int | None) -> int:
        if given is None:
            return self._trace.stamp()
        if type(given) is int and 0 <= given < END_OF_TIME_NS:
            self._trace.explicit_times = True
            return max(given, self.start_ns)
        self._misuse("bad_time")
        return self._trace.stamp()

    def _drop_attributes(self, count: int) -> None:
        self.dropped_attributes += count
        self._trace.pipeline.counts.attributes_dropped += count

    def _misuse(self, kind: str) -> None:
        self._trace.pipeline.misuse(kind, self.name)
