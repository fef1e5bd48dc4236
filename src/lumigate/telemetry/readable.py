"""A span as OpenTelemetry's SDK shows it to span processors and exporters. Made only where one is plugged in.

It offers what the SDK's `ReadableSpan` and `Span` offer (and what the official exporters read), without importing
the SDK: properties over the live record, and the writing methods passed through, for processors that add attributes
in `on_start`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from opentelemetry import trace as api
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from lumigate.telemetry.records import AttributeValue, EventRecord, LinkRecord, Resource, Scope

if TYPE_CHECKING:
    from lumigate.telemetry.span import RecordingSpan

_KINDS: tuple[SpanKind, ...] = (SpanKind.INTERNAL, *SpanKind)
_CODES = (StatusCode.UNSET, StatusCode.OK, StatusCode.ERROR)
_IS_REMOTE = 0x200


class ReadableResource:
    """A resource as the SDK shows it; hashable, because exporters group by it."""

    __slots__ = ("attributes", "schema_url")

    def __init__(self, resource: Resource) -> None:
        self.attributes: Mapping[str, AttributeValue] = MappingProxyType(dict(resource.attributes))
        self.schema_url = resource.schema_url

    def to_json(self, indent: int | None = 4) -> str:
        return json.dumps({"attributes": dict(self.attributes), "schema_url": self.schema_url}, indent=indent)


class ReadableEvent:
    """An event as the SDK shows it."""

    __slots__ = ("attributes", "dropped_attributes", "name", "timestamp")

    def __init__(self, record: EventRecord) -> None:
        self.name = record.name
        self.timestamp = record.time_ns
        self.attributes = record.attributes
        self.dropped_attributes = record.dropped_attributes


class ReadableLink(Link):
    """A link as the SDK shows it."""

    def __init__(self, record: LinkRecord) -> None:
        state = TraceState.from_header([record.trace_state]) if record.trace_state else None
        flags = TraceFlags(record.flags & 0xFF)
        context = SpanContext(record.trace_id, record.span_id, bool(record.flags & _IS_REMOTE), flags, state)
        super().__init__(context, record.attributes)
        self._dropped = record.dropped_attributes

    @property
    def dropped_attributes(self) -> int:
        return self._dropped


class ReadableSpan(api.Span):
    """The SDK's view of one of our spans."""

    def __init__(self, span: RecordingSpan, resource: ReadableResource) -> None:
        self._span = span
        self.resource = resource

    @property
    def name(self) -> str:
        return self._span.name

    @property
    def context(self) -> SpanContext:
        return self._span.get_span_context()

    @property
    def parent(self) -> SpanContext | None:
        span = self._span
        if not span.parent_id:
            return None
        if span._parent is not None:
            return span._parent.get_span_context()
        flags = TraceFlags(span.flags & 0xFF)
        return SpanContext(
            span.trace_id, span.parent_id, bool(span.flags & _IS_REMOTE), flags, self.context.trace_state
        )

    @property
    def kind(self) -> SpanKind:
        return _KINDS[self._span.kind]

    @property
    def start_time(self) -> int:
        return self._span.start_ns

    @property
    def end_time(self) -> int | None:
        return self._span.end_ns or None

    @property
    def status(self) -> Status:
        return Status(_CODES[self._span.status_code], self._span.status_message or None)

    @property
    def attributes(self) -> Mapping[str, AttributeValue]:
        return MappingProxyType(self._span.attributes)

    @property
    def events(self) -> Sequence[ReadableEvent]:
        return tuple(ReadableEvent(event) for event in self._span.events)

    @property
    def links(self) -> Sequence[Link]:
        return tuple(ReadableLink(link) for link in self._span.links)

    @property
    def instrumentation_scope(self) -> Scope:
        return self._span.scope

    @property
    def instrumentation_info(self) -> Scope:
        return self._span.scope

    @property
    def dropped_attributes(self) -> int:
        return self._span.dropped_attributes

    @property
    def dropped_events(self) -> int:
        return self._span.dropped_events

    @property
    def dropped_links(self) -> int:
        return self._span.dropped_links

    def to_json(self, indent: int | None = 4) -> str:
        """The SDK's debugging form, as ConsoleSpanExporter prints it."""
        status: dict[str, str] = {"status_code": self.status.status_code.name}
        if self.status.description:
            status["description"] = self.status.description
        return json.dumps(
            {
                "name": self.name,
                "context": _context_json(self.context),
                "kind": str(self.kind),
                "parent_id": f"0x{self.parent.span_id:016x}" if self.parent is not None else None,
                "start_time": _iso(self.start_time),
                "end_time": _iso(self.end_time) if self.end_time else None,
                "status": status,
                "attributes": dict(self.attributes),
                "events": [
                    {"name": e.name, "timestamp": _iso(e.timestamp), "attributes": dict(e.attributes)}
                    for e in self.events
                ],
                "links": [
                    {"context": _context_json(link.context), "attributes": dict(link.attributes or {})}
                    for link in self.links
                ],
                "resource": json.loads(self.resource.to_json()),
            },
            indent=indent,
        )

    def get_span_context(self) -> SpanContext:
        return self._span.get_span_context()

    def is_recording(self) -> bool:
        return self._span.is_recording()

    def end(self, end_time: int | None = None) -> None:
        self._span.end(end_time)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self._span.set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self._span.set_attribute(key, value)

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        self._span.add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        self._span.add_link(context, attributes)

    def update_name(self, name: str) -> None:
        self._span.update_name(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        self._span.set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        self._span.record_exception(exception, attributes, timestamp, escaped)


def _context_json(context: SpanContext) -> dict[str, str]:
    return {
        "trace_id": f"0x{context.trace_id:032x}",
        "span_id": f"0x{context.span_id:016x}",
        "trace_state": repr(context.trace_state),
    }


def _iso(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns / 1e9, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
