"""What a Tail Worker is handed (`TraceItem`s), as plain data.

https://developers.cloudflare.com/workers/runtime-apis/handlers/tail/. The items are JavaScript objects with getters;
anything may be absent or null.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lumigate.invocations import Invocation, LogLine, Thrown

_MAX_TEXT = 4096
_LARGEST = 1e15
"""Milliseconds; a time or a duration beyond is none, as NaN is."""
_PROPAGATED = ("traceparent", "tracestate")


def read_items(items: Iterable[Any]) -> list[Invocation]:
    """Every item, as far as it can be read."""
    return [_read_item(item) for item in items]


def _read_item(item: Any) -> Invocation:
    event = _get(item, "event")
    request = _get(event, "request")
    headers = _get(request, "headers")
    return Invocation(
        script=_text(item, "scriptName"),
        entrypoint=_text(item, "entrypoint"),
        version=_text(_get(item, "scriptVersion"), "id"),
        outcome=_text(item, "outcome") or "unknown",
        kind=_kind(event),
        started_ms=_number(item, "eventTimestamp"),
        wall_ms=_number(item, "wallTime"),
        cpu_ms=_number(item, "cpuTime"),
        method=_text(request, "method"),
        url=_text(request, "url"),
        headers={name: value for name in _PROPAGATED if (value := _text(headers, name))},
        logs=tuple(
            LogLine(
                time_ms=_number(line, "timestamp"),
                level=_text(line, "level"),
                text=_message(_get(line, "message")),
            )
            for line in _each(item, "logs")
        ),
        exceptions=tuple(
            Thrown(
                time_ms=_number(thrown, "timestamp"),
                name=_text(thrown, "name"),
                message=_text(thrown, "message"),
                stack=_text(thrown, "stack"),
            )
            for thrown in _each(item, "exceptions")
        ),
    )


def _kind(event: Any) -> str:
    """The kinds of events are told apart by their members, as the documentation does."""
    for member, kind in (("request", "fetch"), ("cron", "cron"), ("rpcMethod", "rpc"), ("queue", "queue")):
        if _get(event, member):
            return kind
    return "alarm" if _get(event, "scheduledTime") else "other"


def _get(item: Any, name: str) -> Any:
    """A member, or None where it is absent, null or undefined."""
    try:
        return (getattr(item, name, None) or None) if item is not None else None
    except Exception:  # a getter that throws
        return None


def _each(item: Any, name: str) -> Iterable[Any]:
    """The items of a member, none where it is no list."""
    try:
        return tuple(_get(item, name) or ())
    except Exception:
        return ()


def _text(item: Any, name: str) -> str:
    value = _get(item, name)
    return value[:_MAX_TEXT] if isinstance(value, str) else ""


def _number(item: Any, name: str) -> float:
    value = _get(item, name)
    return float(value) if isinstance(value, int | float) and abs(value) < _LARGEST else 0.0


def _message(parts: Any) -> str:
    """What was logged: the arguments of one call, joined as the console does."""
    if isinstance(parts, str):
        return parts[:_MAX_TEXT]
    try:
        return " ".join(map(_shown, parts or ()))[:_MAX_TEXT]
    except Exception:  # a single value that was no text
        return _shown(parts)[:_MAX_TEXT]


def _shown(part: Any) -> str:
    try:
        return str(part)
    except Exception:  # an object whose `toString` is no function
        return "[object]"
