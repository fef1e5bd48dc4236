"""A span as OTLP/JSON text (trace.proto)."""

from __future__ import annotations

from lumigate.telemetry.otlp.json_values import attribute_list, attributes, quote
from lumigate.telemetry.records import EventRecord, LinkRecord, SpanRecord

MAX_HEADS = 512
MAX_CACHED_CHARS = 64

# Outlives a request on purpose: a service has few kinds of spans. Plain text, bounded in entries and their length.
_heads: dict[tuple[str, int, int], str] = {}
"""(name, kind, flags) to these fields."""


def span(record: SpanRecord) -> str:
    """One `Span` object."""
    parent = f',"parentSpanId":"{record.parent_id.to_bytes(8).hex()}"' if record.parent_id else ""
    head = _heads.get((record.name, record.kind, record.flags)) or _head(record)
    held = f',"attributes":[{attributes(record.attributes)}]' if record.attributes else ""
    rare = _rare(record) if record.events or record.links or record.trace_state else ""
    dropped = (
        _dropped(record) if record.dropped_attributes or record.dropped_events or record.dropped_links else ""
    )
    status = _status(record) if record.status_code or record.status_message else ',"status":{}'
    return (
        f'{{"traceId":"{record.trace_id.to_bytes(16).hex()}","spanId":"{record.span_id.to_bytes(8).hex()}"{parent}'
        f'{head},"startTimeUnixNano":"{record.start_ns}","endTimeUnixNano":"{record.end_ns}"'
        f"{held}{rare}{dropped}{status}}}"
    )


def _head(record: SpanRecord) -> str:
    flags = f',"flags":{record.flags}' if record.flags else ""
    head = f',"name":{quote(record.name)},"kind":{record.kind}{flags}'
    if len(record.name) <= MAX_CACHED_CHARS:
        if len(_heads) >= MAX_HEADS:
            _heads.clear()
        _heads[record.name, record.kind, record.flags] = head
    return head


def _rare(record: SpanRecord) -> str:
    state = f',"traceState":{quote(record.trace_state)}' if record.trace_state else ""
    events = f',"events":[{",".join(map(_event, record.events))}]' if record.events else ""
    links = f',"links":[{",".join(map(_link, record.links))}]' if record.links else ""
    return f"{state}{events}{links}"


def _dropped(record: SpanRecord) -> str:
    return (
        f',"droppedAttributesCount":{record.dropped_attributes},"droppedEventsCount":{record.dropped_events}'
        f',"droppedLinksCount":{record.dropped_links}'
    )


def _status(record: SpanRecord) -> str:
    message = f'"message":{quote(record.status_message)},' if record.status_message else ""
    return f',"status":{{{message}"code":{record.status_code}}}'


def _event(event: EventRecord) -> str:
    dropped = f',"droppedAttributesCount":{event.dropped_attributes}' if event.dropped_attributes else ""
    return (
        f'{{"timeUnixNano":"{event.time_ns}","name":{quote(event.name)}'
        f"{attribute_list(event.attributes)}{dropped}}}"
    )


def _link(link: LinkRecord) -> str:
    state = f',"traceState":{quote(link.trace_state)}' if link.trace_state else ""
    flags = f',"flags":{link.flags}' if link.flags else ""
    dropped = f',"droppedAttributesCount":{link.dropped_attributes}' if link.dropped_attributes else ""
    return (
        f'{{"traceId":"{link.trace_id.to_bytes(16).hex()}","spanId":"{link.span_id.to_bytes(8).hex()}"'
        f"{state}{flags}{attribute_list(link.attributes)}{dropped}}}"
    )
