"""JSON from outside: UTF-8, no NaN or Infinity, and never nested so deep that reading it is dangerous (RFC 8259).

The depth is checked before the parser sees the text: in wasm, deep nesting overflows the JavaScript stack, which is no
Python exception but the end of the interpreter, and so of every request in the isolate (measured: 5,000 levels pass,
8,000 kill). Everything that comes from outside is read here: bodies, tokens, key sets, answers of providers.
"""

from __future__ import annotations

import json
import re
from math import isinf
from typing import Any, NoReturn

MAX_DEPTH = 128
MAX_CONTAINERS = 100_000
MAX_VALUES = 1_000_000
"""Of a body that was sent to us. Three bytes of text (`{},`) become seventy of memory, and an isolate has 128 MB."""

# A string is taken whole, so that brackets inside it do not count; an unfinished one runs to the end.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)


class JsonError(ValueError):
    """The text is not acceptable JSON; the message says what is wrong and where, and quotes nothing."""


def loads(data: bytes, *, unique_members: bool = False, few: bool = False) -> Any:
    """The value. Raises `JsonError`, also for an object that has a member twice where `unique_members` is asked for.

    With `few` it may have `MAX_CONTAINERS` objects and lists and `MAX_VALUES` values.
    """
    if few:
        _check_count(data)
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        raise JsonError(f"nested deeper than {MAX_DEPTH} levels")
    try:
        return (_UNIQUE if unique_members else _PLAIN).decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise JsonError(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except JsonError:
        raise
    except ValueError:  # an integer of more digits than Python reads
        raise JsonError("a number cannot be read") from None


def load_object(data: bytes, *, unique_members: bool = False) -> dict[str, Any] | None:
    """The value if it is an object, None for everything else: for readers that tolerate anything."""
    try:
        value = loads(data, unique_members=unique_members)
    except JsonError:
        return None
    return value if isinstance(value, dict) else None


def _check_count(data: bytes) -> None:
    """Count what separates and opens values; what stands in strings is looked at only if it matters."""
    if data.count(b",") <= MAX_VALUES and data.count(b"[") + data.count(b"{") <= MAX_CONTAINERS:
        return
    data = _STRING.sub(b"", data)
    if data.count(b",") > MAX_VALUES:
        raise JsonError(f"more than {MAX_VALUES} values")
    if data.count(b"[") + data.count(b"{") > MAX_CONTAINERS:
        raise JsonError(f"more than {MAX_CONTAINERS} objects and lists")


def _depth(data: bytes) -> int:
    """The deepest nesting, up to one past the bound. Only texts with many brackets come here."""
    depth = deepest = 0
    for match in _TOKEN.finditer(data):
        first = data[match.start()]
        if first in b"[{":
            depth += 1
            if depth > deepest:
                deepest = depth
                if deepest > MAX_DEPTH:
                    break
        elif first in b"]}":
            depth -= 1
    return deepest


def _finite(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise JsonError("a number is too large")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers that each believe another of two members can be played off against each other."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JsonError("an object has a member twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not a JSON value")


# `json.loads` with arguments makes a decoder anew for each text, which takes as long as reading a short one.
_PLAIN = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
_UNIQUE = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unique)
