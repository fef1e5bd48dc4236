"""Attributes and values as protobuf (common.proto)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lumigate.telemetry.otlp.anyvalue import INT64_MAX, INT64_MIN, Plain, plain, to_utf8
from lumigate.telemetry.otlp.wire import delimited, pack_double, varint

_TEXT = b"\x0a"
_VALUE = b"\x12"
_BOOL = b"\x10"
_INT = b"\x18"
_DOUBLE = b"\x21"

MAX_KEYS = 256
MAX_TEXTS_PER_KEY = 32
MAX_CACHED_CHARS = 64


def _key_field(key: str) -> bytes:
    return delimited(b"\x0a", to_utf8(key))


def _pair(key_field: bytes, value: bytes) -> bytes:
    """A KeyValue with its length before it, but no tag: that differs between the messages it is used in."""
    return delimited(b"", key_field + delimited(_VALUE, value))


class _Key:
    """An attribute key, with what stands around its values made once."""

    __slots__ = ("double", "false", "field", "integers", "texts", "true")

    def __init__(self, key: str) -> None:
        self.field = _key_field(key)
        self.true = _pair(self.field, _BOOL + b"\x01")
        self.false = _pair(self.field, _BOOL + b"\x00")
        self.double = _pair(self.field, _DOUBLE + bytes(8))[:-8]
        self.integers = tuple(_pair(self.field, _INT + bytes(size))[: -size or None] for size in range(11))
        """What stands before an integer, by the length of its varint."""
        self.texts: dict[str, bytes] = {}

    def write(self, value: Any) -> bytes:
        """The attribute of this key with that value."""
        kind = type(value)
        if kind is str:
            return self.texts.get(value) or self._write_text(value)
        if kind is int and INT64_MIN <= value <= INT64_MAX:
            digits = varint(value)
            return self.integers[len(digits)] + digits
        if kind is bool:
            return self.true if value else self.false
        if kind is float:
            return self.double + pack_double(value)
        return _pair(self.field, any_value(value))

    def _write_text(self, value: str) -> bytes:
        pair = _pair(self.field, delimited(_TEXT, to_utf8(value)))
        if len(self.texts) < MAX_TEXTS_PER_KEY and len(value) <= MAX_CACHED_CHARS:
            self.texts[value] = pair
        return pair


# Outlives a request on purpose: keys are a closed set and most values repeat, so that a span is put together
# from pieces made before. Plain bytes, bounded in keys, in values of a key (one with many is an id) and in length.
_keys: dict[str, _Key] = {}
_writers: dict[str, Callable[[Any], bytes]] = {}
"""`_keys[key].write`: binding the method once saves a tenth."""


def attributes(tag: bytes, values: Mapping[str, Any]) -> bytes:
    """The attributes as fields of the message that has `tag` for them."""
    if not values:
        return b""
    return tag + tag.join([(_writers.get(key) or _writer(key))(value) for key, value in values.items()])


def _writer(key: str) -> Callable[[Any], bytes]:
    known = _Key(key if type(key) is str else str(key))
    if type(key) is str and len(key) <= MAX_CACHED_CHARS:
        if len(_keys) >= MAX_KEYS:
            _keys.clear()
            _writers.clear()
        _keys[key] = known
        _writers[key] = known.write
    return known.write


def any_value(value: object) -> bytes:
    """The content of an AnyValue, of any Python object."""
    return _written(plain(value))


def _written(value: Plain) -> bytes:
    match value:
        case None:
            return b""
        case str():
            return delimited(b"\x0a", to_utf8(value))
        case bool():
            return b"\x10\x01" if value else b"\x10\x00"
        case int():
            return b"\x18" + varint(value)
        case float():
            return b"\x21" + pack_double(value)
        case list():
            return delimited(b"\x2a", b"".join([delimited(b"\x0a", _written(held)) for held in value]))
        case dict():
            pairs = [b"\x0a" + _pair(_key_field(key), _written(held)) for key, held in value.items()]
            return delimited(b"\x32", b"".join(pairs))
        case bytes():
            return delimited(b"\x3a", value)
