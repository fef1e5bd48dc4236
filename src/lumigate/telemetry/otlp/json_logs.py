"""A log record as OTLP/JSON text (logs.proto)."""

from __future__ import annotations

from lumigate.telemetry.otlp.json_values import any_value, attribute_list, quote
from lumigate.telemetry.records import LogRecord


def log(record: LogRecord) -> str:
    """One `LogRecord` object."""
    parts = [
        f'{{"timeUnixNano":"{record.time_ns}","observedTimeUnixNano":"{record.observed_ns}"'
        f',"body":{any_value(record.body)}{attribute_list(record.attributes)}'
    ]
    if record.severity_number:
        parts.append(f',"severityNumber":{record.severity_number}')
    if record.severity_text:
        parts.append(f',"severityText":{quote(record.severity_text)}')
    if record.event_name:
        parts.append(f',"eventName":{quote(record.event_name)}')
    if record.trace_id:
        parts.append(f',"traceId":"{record.trace_id.to_bytes(16).hex()}"')
    if record.span_id:
        parts.append(f',"spanId":"{record.span_id.to_bytes(8).hex()}"')
    if record.flags:
        parts.append(f',"flags":{record.flags}')
    if record.dropped_attributes:
        parts.append(f',"droppedAttributesCount":{record.dropped_attributes}')
    parts.append("}")
    return "".join(parts)
