"""Attributes and values as OTLP/JSON text.

Text may still hold lone surrogates here: `json.py` repairs them when it turns a finished record into bytes,
which costs nothing where there are none.
"""

from __future__ import annotations

import json.encoder
from base64 import b64encode
from collections.abc import Callable, Mapping
from math import isfinite, isnan
from typing import Any

from lumigate.telemetry.otlp.anyvalue import INT64_MAX, INT64_MIN, Plain, plain

quote: Callable[[str], str] = json.encoder.encode_basestring
"""A JSON string literal. It is C in every runtime, and leaves letters outside ASCII as they are."""

MAX_KEYS = 256
MAX_TEXTS_PER_KEY = 32
MAX_CACHED_CHARS = 64


class _Key:
    """An attribute key, with what stands around its values made once."""

    __slots__ = ("false", "integer", "start", "text", "texts", "true")

    def __init__(self, key: str) -> None:
        self.start = f'{{"key":{quote(key)},"value":'
        self.text = f'{self.start}{{"stringValue":'
        self.integer = f'{self.start}{{"intValue":"'
        self.true = f'{self.start}{{"boolValue":true}}}}'
        self.false = f'{self.start}{{"boolValue":false}}}}'
        self.texts: dict[str, str] = {}

    def write(self, value: Any) -> str:
        """The attribute of this key with that value."""
        kind = type(value)
        if kind is str:
            return self.texts.get(value) or self._write_text(value)
        if kind is int and INT64_MIN <= value <= INT64_MAX:
            return f'{self.integer}{value}"}}}}'
        if kind is bool:
            return self.true if value else self.false
        return f"{self.start}{any_value(value)}}}"

    def _write_text(self, value: str) -> str:
        pair = f"{self.text}{quote(value)}}}}}"
        if len(self.texts) < MAX_TEXTS_PER_KEY and len(value) <= MAX_CACHED_CHARS:
            self.texts[value] = pair
        return pair


# Outlives a request on purpose: keys are a closed set and most values repeat, so that a span is put together
# from pieces made before. Plain text, bounded in keys, in values of a key (one with many is an id) and in length.
_keys: dict[str, _Key] = {}
_writers: dict[str, Callable[[Any], str]] = {}
"""`_keys[key].write`: binding the method once saves a tenth."""


def attributes(values: Mapping[str, Any]) -> str:
    """The attributes as JSON objects with commas between them, without the brackets of the list."""
    return ",".join([(_writers.get(key) or _writer(key))(value) for key, value in values.items()])


def _writer(key: str) -> Callable[[Any], str]:
    known = _Key(key if type(key) is str else str(key))
    if type(key) is str and len(key) <= MAX_CACHED_CHARS:
        if len(_keys) >= MAX_KEYS:
            _keys.clear()
            _writers.clear()
        _keys[key] = known
        _writers[key] = known.write
    return known.write


def attribute_list(values: Mapping[str, Any]) -> str:
    """`,"attributes":[…]`, or nothing where there are none."""
    return f',"attributes":[{attributes(values)}]' if values else ""


def any_value(value: object) -> str:
    """An AnyValue of any Python object."""
    if type(value) is str:
        return f'{{"stringValue":{quote(value)}}}'
    if type(value) is float and isfinite(value):
        return f'{{"doubleValue":{value!r}}}'
    return _written(plain(value))


def number(value: float) -> str:
    """A double, with the three names that JSON has no number for."""
    if isfinite(value):
        return repr(value)
    return '"NaN"' if isnan(value) else ('"Infinity"' if value > 0 else '"-Infinity"')


def _written(value: Plain) -> str:
    match value:
        case None:
            return "{}"
        case str():
            return f'{{"stringValue":{quote(value)}}}'
        case bool():
            return '{"boolValue":true}' if value else '{"boolValue":false}'
        case int():
            return f'{{"intValue":"{value}"}}'
        case float():
            return f'{{"doubleValue":{number(value)}}}'
        case bytes():
            return f'{{"bytesValue":"{b64encode(value).decode()}"}}'
        case list():
            return f'{{"arrayValue":{{"values":[{",".join(map(_written, value))}]}}}}'
        case dict():
            pairs = [f'{{"key":{quote(key)},"value":{_written(held)}}}' for key, held in value.items()]
            return f'{{"kvlistValue":{{"values":[{",".join(pairs)}]}}}}'
