"""What a collector says in the body of a 200: that all was taken, or a «partial success».

https://opentelemetry.io/docs/specs/otlp/#partial-success. The body is from outside: one over the bound, or
junk, is read as «all taken», since the status already said so.
"""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple

type Signal = Literal["traces", "metrics", "logs"]

MAX_BODY_BYTES = 65_536
MAX_MESSAGE_CHARS = 1_024
MAX_BRACKETS = 1_000
"""More is no partial success, and thousands nested would overflow the stack in wasm, which ends the interpreter."""

_REJECTED = {"traces": "rejectedSpans", "metrics": "rejectedDataPoints", "logs": "rejectedLogRecords"}


class PartialSuccess(NamedTuple):
    """How many items the collector refused, and its words about it; 0 with a message is a warning."""

    rejected: int
    message: str


def parse_partial_success(signal: Signal, content_type: str, body: bytes) -> PartialSuccess | None:
    """The partial success in a collector's answer; None where it took all, or said nothing readable."""
    try:
        if len(body) > MAX_BODY_BYTES or body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
            return None
        if "json" in content_type.lower():
            found = _from_json(signal, body)
        else:
            found = _from_protobuf(body)
    except (ValueError, RecursionError):
        return None
    return found if found.rejected > 0 or found.message else None


def _from_json(signal: Signal, body: bytes) -> PartialSuccess:
    answer = json.loads(body)
    partial = _member(answer, "partialSuccess", "partial_success")
    rejected = _member(partial, _REJECTED[signal])
    message = _member(partial, "errorMessage", "error_message")
    return PartialSuccess(_count(rejected), message[:MAX_MESSAGE_CHARS] if isinstance(message, str) else "")


def _member(value: Any, *names: str) -> Any:
    """A member of a JSON object under any of its names (proto3's JSON mapping accepts the original too)."""
    if not isinstance(value, dict):
        return None
    return next((value[name] for name in names if name in value), None)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return 0
    return max(0, int(value))


def _from_protobuf(body: bytes) -> PartialSuccess:
    partial = b"".join(
        content for field, content in _fields(body) if field == 1 and isinstance(content, bytes)
    )
    rejected, message = 0, b""
    for field, content in _fields(partial):
        if field == 1 and isinstance(content, int):
            rejected = content
        elif field == 2 and isinstance(content, bytes):
            message = content
    return PartialSuccess(
        rejected if rejected < 1 << 63 else 0, message.decode(errors="replace")[:MAX_MESSAGE_CHARS]
    )


def _fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """The fields of a protobuf message: varints as integers, the rest as bytes. ValueError on junk."""
    fields: list[tuple[int, int | bytes]] = []
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        content: int | bytes
        match tag & 7:
            case 0:
                content, position = _read_varint(message, position)
            case 1:
                content, position = _read_bytes(message, position, 8)
            case 2:
                size, position = _read_varint(message, position)
                content, position = _read_bytes(message, position, size)
            case 5:
                content, position = _read_bytes(message, position, 4)
            case unknown:
                raise ValueError(f"wire type {unknown}")
        fields.append((tag >> 3, content))
    return fields


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position
    raise ValueError("a varint without an end")


def _read_bytes(message: bytes, position: int, size: int) -> tuple[bytes, int]:
    end = position + size
    if end > len(message):
        raise ValueError("a field longer than its message")
    return message[position:end], end
