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
_NO_STATUS = b"\x7a\x00"
MAX_HEADS = 512
MAX_CACHED_CHARS = 64

# Outlives a request on purpose: a service has few kinds of spans. Plain bytes, bounded in entries and their length.
_heads: dict[tuple[str, int, int], bytes] = {}
"""(name, kind, flags) to these fields."""


def span(record: SpanRecord) -> bytes:
    """The content of a `Span` message."""
    return b"".join(
        (
            b"\x0a\x10",
            record.trace_id.to_bytes(16),
            b"\x12\x08",
            record.span_id.to_bytes(8),
            b"\x22\x08" + record.parent_id.to_bytes(8) if record.parent_id else b"",
            _heads.get((record.name, record.kind, record.flags)) or _head(record),
            pack_times(_START_TAG, record.start_ns, _END_TAG, record.end_ns),
            attributes(b"\x4a", record.attributes) if record.attributes else b"",
            _rare(record) if record.events or record.links or record.trace_state else b"",
            _dropped(record)
            if record.dropped_attributes or record.dropped_events or record.dropped_links
            else b"",
            _status(record) if record.status_code or record.status_message else _NO_STATUS,
        )
    )


def _head(record: SpanRecord) -> bytes:
    flags = b"\x85\x01" + pack_fixed32(record.flags) if record.flags else b""
    head = text(b"\x2a", record.name) + b"\x30" + varint(record.kind) + flags
    if len(record.name) <= MAX_CACHED_CHARS:
        if len(_heads) >= MAX_HEADS:
            _heads.clear()
        _heads[record.name, record.kind, record.flags] = head
    return head


def _rare(record: SpanRecord) -> bytes:
    state = text(b"\x1a", record.trace_state)
    events = [delimited(b"\x5a", _event(event)) for event in record.events]
    links = [delimited(b"\x6a", _link(link)) for link in record.links]
    return b"".join((state, *events, *links))


def _dropped(record: SpanRecord) -> bytes:
    counts = (record.dropped_attributes, record.dropped_events, record.dropped_links)
    return b"".join(map(unsigned, (b"\x50", b"\x60", b"\x70"), counts))


def _status(record: SpanRecord) -> bytes:
    return delimited(b"\x7a", text(b"\x12", record.status_message) + unsigned(b"\x18", record.status_code))


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
