"""One request as one line of JSON on the console, for Logpush.

Logpush cuts the logs of one invocation at 16,384 characters together; a line cut by it is not JSON any more. So a line
is made to fit: the longest texts are shortened, and the field `truncated` names them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice
from json.encoder import encode_basestring as encode_text
from typing import Any, Final

from lumigate.telemetry.attributes import safe_text
from lumigate.telemetry.schema import EventField

MAX_CHARS: Final = 16_384
TRUNCATED: Final = "truncated"
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_BIG: Final = 1 << 63
_PREFIXES: Final[dict[int, tuple[Sequence[EventField], list[tuple[str, str]]]]] = {}
"""Names with their quotes and colon, by the identity of the declarations, which are constants."""
_SHORTEST: Final = 16
"""Texts are not cut below this; if that is not enough, whole fields go."""


def build_event(fields: Sequence[EventField], values: Mapping[str, Any], limit: int = MAX_CHARS) -> str:
    """The declared fields, in their order, as one JSON line of at most `limit` characters.

    Values that are None or missing are left out, and so is what is not declared. Nothing makes this raise.
    """
    known = _PREFIXES.get(id(fields))
    if known is None or known[0] is not fields:
        known = _PREFIXES[id(fields)] = (fields, [(f.name, f"{encode_text(f.name)}:") for f in fields])
    parts: list[str] = []
    # this runs once a request, whether its trace is kept or not; so the ordinary values are written here and now
    for name, prefix in known[1]:
        value = values.get(name)
        if value is None:
            continue
        kind = type(value)
        if kind is str:
            parts.append(prefix + encode_text(value))
        elif kind is int and -_BIG < value < _BIG:
            parts.append(f"{prefix}{value}")
        elif kind is bool:
            parts.append(prefix + ("true" if value else "false"))
        elif kind is float and value - value == 0:
            parts.append(f"{prefix}{value!r}")
        else:
            return _careful(fields, values, limit)
    line = f"{{{','.join(parts)}}}"
    if len(line) > limit or not (line.isascii() or _is_utf8(line)):
        return _careful(fields, values, limit)
    return line


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _careful(fields: Sequence[EventField], values: Mapping[str, Any], limit: int) -> str:
    """The same, for values of any type and length."""
    event = {
        field.name: _clean(value, limit) for field in fields if (value := values.get(field.name)) is not None
    }
    line = _dump(event)
    if len(line) <= limit:
        return line
    cut: list[str] = []
    event[TRUNCATED] = cut
    while len(line := _dump(event)) > limit:
        name = _longest(event)
        if name is None:
            break
        text = event[name]
        if name not in cut:
            cut.append(name)
        # escapes make a character up to six long, so cutting goes on until the line itself is short enough
        excess = len(line) - limit + len(name) + 4
        weight = len(json.dumps(text, ensure_ascii=False)) / len(text)
        event[name] = text[: max(_SHORTEST, len(text) - max(1, int(excess / weight)))]
    while len(line) > limit and len(event) > 1:
        del event[next(name for name in reversed(event) if name != TRUNCATED)]
        event[TRUNCATED] = True
        line = _dump(event)
    return line


def _longest(event: Mapping[str, Any]) -> str | None:
    texts = {
        name: len(json.dumps(value, ensure_ascii=False))
        for name, value in event.items()
        if isinstance(value, str) and len(value) > _SHORTEST
    }
    return max(texts, key=texts.__getitem__, default=None)


def _dump(event: Mapping[str, Any]) -> str:
    return _ENCODER.encode(event)


def _clean(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return safe_text(value, limit)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 64 else safe_text(value, 256)
    if isinstance(value, float):
        # NaN and the infinities are not JSON
        return float(value) if value - value == 0 else str(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        items = islice(value, 64)
        return [_clean(item, 256) if isinstance(item, int) else safe_text(item, 256) for item in items]
    return safe_text(value, limit)
