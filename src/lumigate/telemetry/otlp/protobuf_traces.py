"""A span as protobuf (trace.proto)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from lumigate.telemetry.otlp.protobuf_values import attributes
from lumigate.telemetry.otlp.wire import delimited, pack_fixed64, text, unsigned, varint
from lumigate.telemetry.records import EventRecord, LinkRecord, SpanRecord

pack_times: Callable[..., bytes] = struct.Struct("<BQBQ").pack
pack_fixed32: Callable[[int], bytes] = struct.Struct("<I").pack

_START_TAG = 0x39
_END_TAG = 0x41
_FLAGS = b"\x85\x01"


def span(record: SpanRecord) -> bytes:
    """The content of a `Span` message."""
    parts = [
        b"\x0a\x10",
        record.trace_id.to_bytes(16),
        b"\x12\x08",
        record.span_id.to_bytes(8),
        text(b"\x2a", record.name),
        b"\x30",
        varint(record.kind),
        pack_times(_START_TAG, record.start_ns, _END_TAG, record.end_ns),
    ]
    add = parts.append
    if record.parent_id:
        add(b"\x22\x08" + record.parent_id.to_bytes(8))
    if record.attributes:
        add(attributes(b"\x4a", record.attributes))
    if record.flags:
        add(_FLAGS + pack_fixed32(record.flags))
    if record.trace_state:
        add(text(b"\x1a", record.trace_state))
    for event in record.events:
        add(delimited(b"\x5a", _event(event)))
    for link in record.links:
        add(delimited(b"\x6a", _link(link)))
    if record.dropped_attributes:
        add(unsigned(b"\x50", record.dropped_attributes))
    if record.dropped_events:
        add(unsigned(b"\x60", record.dropped_events))
    if record.dropped_links:
        add(unsigned(b"\x70", record.dropped_links))
    add(_status(record.status_code, record.status_message))
    return b"".join(parts)


def _status(code: int, message: str) -> bytes:
    return delimited(b"\x7a", text(b"\x12", message) + unsigned(b"\x18", code))


def _event(event: EventRecord) -> bytes:
    return b"".join(
        (
            b"\x09",
            pack_fixed64(event.time_ns),
            text(b"\x12", event.name),
            attributes(b"\x1a", event.attributes),
            unsigned(b"\x20", event.dropped_attributes),
        )
    )


def _link(link: LinkRecord) -> bytes:
    return b"".join(
        (
            b"\x0a\x10",
            link.trace_id.to_bytes(16),
            b"\x12\x08",
            link.span_id.to_bytes(8),
            text(b"\x1a", link.trace_state),
            attributes(b"\x22", link.attributes),
            unsigned(b"\x28", link.dropped_attributes),
            b"\x35" + pack_fixed32(link.flags) if link.flags else b"",
        )
    )
