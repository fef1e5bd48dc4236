"""The protobuf wire format, as far as OTLP needs it (https://protobuf.dev/programming-guides/encoding/).

Writers spell their tags as bytes: one, `field << 3 | wire type`, for fields 1 to 15. A message is its fields'
bytes in any order; fields that hold their default are left out, except inside a oneof.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from lumigate.telemetry.otlp.anyvalue import to_utf8

pack_fixed64: Callable[[int], bytes] = struct.Struct("<Q").pack
pack_double: Callable[[float], bytes] = struct.Struct("<d").pack

_UINT64 = 0xFFFF_FFFF_FFFF_FFFF


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


SMALL_VARINTS = tuple(_varint(value) for value in range(2_048))
"""Most lengths and many values: looking one up costs a tenth of making it."""


def varint(value: int) -> bytes:
    """An unsigned integer, or a negative one of 64 bits as its two's complement (int32, int64, enum)."""
    if 0 <= value < 2_048:
        return SMALL_VARINTS[value]
    return _varint(value & _UINT64)


def zigzag(value: int) -> bytes:
    """A sint32 or sint64."""
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def delimited(tag: bytes, content: bytes) -> bytes:
    """A field that carries its length: a message, bytes or a packed list."""
    size = len(content)
    return tag + (SMALL_VARINTS[size] if size < 2_048 else _varint(size)) + content


def text(tag: bytes, value: str) -> bytes:
    """A string field, left out when empty."""
    return delimited(tag, to_utf8(value)) if value else b""


def unsigned(tag: bytes, value: int) -> bytes:
    """A varint field, left out when zero."""
    return tag + varint(value) if value else b""


def packed_fixed64(tag: bytes, values: Sequence[int]) -> bytes:
    """A repeated fixed64 field."""
    return delimited(tag, struct.pack(f"<{len(values)}Q", *values)) if values else b""


def packed_doubles(tag: bytes, values: Sequence[float]) -> bytes:
    """A repeated double field."""
    return delimited(tag, struct.pack(f"<{len(values)}d", *values)) if values else b""


def packed_varints(tag: bytes, values: Sequence[int]) -> bytes:
    """A repeated uint64 field."""
    return delimited(tag, b"".join(map(varint, values))) if values else b""
