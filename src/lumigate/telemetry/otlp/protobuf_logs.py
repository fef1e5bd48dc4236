"""A log record as protobuf (logs.proto)."""

from __future__ import annotations

import struct

from lumigate.telemetry.otlp.protobuf_values import any_value, attributes
from lumigate.telemetry.otlp.wire import delimited, text, unsigned
from lumigate.telemetry.records import LogRecord

_TIME_TAG = 0x09
_OBSERVED_TAG = 0x59


def log(record: LogRecord) -> bytes:
    """The content of a `LogRecord` message."""
    return b"".join(
        (
            struct.pack("<BQBQ", _TIME_TAG, record.time_ns, _OBSERVED_TAG, record.observed_ns),
            unsigned(b"\x10", record.severity_number),
            text(b"\x1a", record.severity_text),
            delimited(b"\x2a", any_value(record.body)),
            attributes(b"\x32", record.attributes),
            unsigned(b"\x38", record.dropped_attributes),
            b"\x45" + struct.pack("<I", record.flags) if record.flags else b"",
            b"\x4a\x10" + record.trace_id.to_bytes(16) if record.trace_id else b"",
            b"\x52\x08" + record.span_id.to_bytes(8) if record.span_id else b"",
            text(b"\x62", record.event_name),
        )
    )
