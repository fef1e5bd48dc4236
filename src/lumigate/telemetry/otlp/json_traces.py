"""A span as OTLP/JSON text (trace.proto)."""

from __future__ import annotations

from lumigate.telemetry.otlp.json_values import attribute_list, attributes, quote
from lumigate.telemetry.records import EventRecord, LinkRecord, SpanRecord


def span(record: SpanRecord) -> str:
    """One `Span` object."""
    parts = [
        f'{{"traceId":"{record.trace_id.to_bytes(16).hex()}","spanId":"{record.span_id.to_bytes(8).hex()}"'
        f',"name":{quote(record.name)},"kind":{record.kind}'
        f',"startTimeUnixNano":"{record.start_ns}","endTimeUnixNano":"{record.end_ns}"'
    ]
    add = parts.append
    if record.parent_id:
        add(f',"parentSpanId":"{record.parent_id.to_bytes(8).hex()}"')
    if record.attributes:
        add(f',"attributes":[{attributes(record.attributes)}]')
    if record.flags:
        add(f',"flags":{record.flags}')
    if record.trace_state:
        add(f',"traceState":{quote(record.trace_state)}')
    if record.events:
        add(f',"events":[{",".join(map(_event, record.events))}]')
    if record.links:
        add(f',"links":[{",".join(map(_link, record.links))}]')
    if record.dropped_attributes:
        add(f',"droppedAttributesCount":{record.dropped_attributes}')
    if record.dropped_events:
        add(f',"droppedEventsCount":{record.dropped_events}')
    if record.dropped_links:
        add(f',"droppedLinksCount":{record.dropped_links}')
    add(_status(record.status_code, record.status_message))
    return "".join(parts)


def _status(code: int, message: str) -> str:
    if message:
        return f',"status":{{"message":{quote(message)},"code":{code}}}}}'
    return f',"status":{{"code":{code}}}}}' if code else ',"status":{}}'


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
