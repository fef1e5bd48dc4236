"""What a collector says in a 200: how many items it refused. Read from JSON or protobuf, whatever was sent.

An answer that cannot be read means that everything was accepted: the status said so.
"""

from __future__ import annotations

import json
from typing import Any, Final

_FIELDS: Final = ("rejectedSpans", "rejectedDataPoints", "rejectedLogRecords")


def rejected_items(body: bytes, content_type: str) -> int:
    """`rejected_spans`, `rejected_data_points` or `rejected_log_records` of an export's answer."""
    if not body:
        return 0
    try:
        if "json" in content_type or body[:1] in (b"{", b" ", b"\n"):
            return _from_json(json.loads(body))
        return _from_protobuf(body)
    except (ValueError, IndexError, TypeError, AttributeError, RecursionError):
        return 0


def _from_json(answer: Any) -> int:
    partial = answer.get("partialSuccess") or answer.get("partial_success") or {}
    for name in _FIELDS:
        if name in partial:
            return max(0, int(partial[name]))
    return 0


def _from_protobuf(body: bytes) -> int:
    """ExportXServiceResponse.partial_success (1) . rejected_x (1)."""
    for number, value in _fields(body):
        if number == 1 and isinstance(value, bytes):
            for inner, count in _fields(value):
                if inner == 1 and isinstance(count, int):
                    return count if count < 1 << 63 else 0
    return 0


def _fields(data: bytes) -> list[tuple[int, int | bytes]]:
    found: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        match key & 7:
            case 0:
                number, at = _varint(data, at)
                found.append((key >> 3, number))
            case 2:
                size, at = _varint(data, at)
                found.append((key >> 3, data[at : at + size]))
                at += size
            case 1:
                at += 8
            case 5:
                at += 4
            case _:
                raise ValueError("wire type")
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("varint")
