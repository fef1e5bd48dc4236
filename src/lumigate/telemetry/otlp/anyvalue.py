"""What an OTLP value can be: any Python object made into one, bounded and without ever raising.

Both writers read the result of `plain` and handle its few exact types only. The mapping is the one in
https://opentelemetry.io/docs/specs/otel/common/#mapping-arbitrary-data-to-otlp-anyvalue. Depth and number of
nodes are bounded, so that cyclic objects and «billion laughs» end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

type Plain = bool | str | int | float | bytes | list[Plain] | dict[str, Plain] | None
"""Exact builtin types (no subclasses); an int fits 64 bits."""

MAX_DEPTH = 16
"""Levels of arrays and maps; a parser of protobuf gives up at 100 messages, and a level of a map is three."""
MAX_NODES = 10_000
"""Values inside one attribute or log body that holds others."""
CUT = "…"
"""Stands where the rest of a value was left out."""

INT64_MIN = -(1 << 63)
INT64_MAX = (1 << 63) - 1
_MAX_DECIMAL_BITS = 8_192
"""CPython refuses to print an integer of more than 4,300 decimal digits; beyond this one is shown in hex."""


def plain(value: object) -> Plain:
    """The OTLP value that stands for `value`; an object of no known kind becomes its `str`."""
    try:
        return _Walk().visit(value, 0)
    except Exception:
        # A host's own class failed while it was read: telemetry shows its name and goes on.
        return f"<unreadable {type(value).__name__}>"


def well_formed(text: str) -> str:
    """`text` as UTF-8 can carry it: a lone surrogate becomes U+FFFD, a pair of them its character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def to_utf8(text: str) -> bytes:
    """`text` in UTF-8; never raises."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return well_formed(text).encode()


class _Walk:
    """One pass over one value, with the count of nodes seen so far."""

    __slots__ = ("nodes",)

    def __init__(self) -> None:
        self.nodes = 0

    def visit(self, value: Any, depth: int) -> Plain:
        self.nodes += 1
        if value is None or value is True or value is False:
            return value
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            return _integer(int.__int__(value))
        if isinstance(value, float):
            return float.__float__(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        if isinstance(value, Mapping):
            return CUT if depth >= MAX_DEPTH else self._map(value, depth + 1)
        if isinstance(value, Sequence | Set):
            return CUT if depth >= MAX_DEPTH else self._array(value, depth + 1)
        return str.__str__(str(value))

    def _array(self, values: Sequence[Any] | Set[Any], depth: int) -> list[Plain]:
        array: list[Plain] = []
        for value in values:
            if self.nodes >= MAX_NODES:
                array.append(CUT)
                break
            array.append(self.visit(value, depth))
        return array

    def _map(self, values: Mapping[Any, Any], depth: int) -> dict[str, Plain]:
        mapping: dict[str, Plain] = {}
        for key, value in values.items():
            if self.nodes >= MAX_NODES:
                mapping[CUT] = CUT
                break
            mapping[str.__str__(str(key))] = self.visit(value, depth)
        return mapping


def _integer(value: int) -> int | str:
    if INT64_MIN <= value <= INT64_MAX:
        return value
    return str(value) if value.bit_length() <= _MAX_DECIMAL_BITS else hex(value)
