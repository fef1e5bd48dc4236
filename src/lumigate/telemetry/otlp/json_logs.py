"""A log record as OTLP/JSON text (logs.proto)."""

from __future__ import annotations

from lumigate.telemetry.otlp.json_values import any_value, attribute_list, quote
from lumigate.telemetry.records import LogRecord


def log(record: LogRecord) -> str:
    """One `LogRecord` object."""
    severity = f',"severityNumber":{record.severity_number}' if record.severity_number else ""
    severity_text = f',"severityText":{quote(record.severity_text)}' if record.severity_text else ""
    event_name = f',"eventName":{quote(record.event_name)}' if record.event_name else ""
    trace_id = f',"traceId":"{record.trace_id.to_bytes(16).hex()}"' if record.trace_id else ""
    span_id = f',"spanId":"{record.span_id.to_bytes(8).hex()}"' if record.span_id else ""
    flags = f',"flags":{record.flags}' if record.flags else ""
    dropped = f',"droppedAttributesCount":{record.dropped_attributes}' if record.dropped_attributes else ""
    return (
        f'{{"timeUnixNano":"{record.time_ns}","observedTimeUnixNano":"{record.observed_ns}"'
        f',"body":{any_value(record.body)}{attribute_list(record.attributes)}'
        f"{severity}{severity_text}{event_name}{trace_id}{span_id}{flags}{dropped}}}"
    )
