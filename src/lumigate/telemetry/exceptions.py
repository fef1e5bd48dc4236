"""An exception as span and log attributes (semantic conventions, «exceptions»)."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, Final

_FRAMES: Final = 40

type Redact = Callable[[str], str]
"""Takes out of a text what must not leave the process: the words of an exception may quote its input."""


def as_it_is(text: str) -> str:
    """The redaction that takes nothing out."""
    return text


def describe_exception(
    exception: BaseException, length_limit: int, redact: Redact = as_it_is, *, escaped: bool | None = None
) -> dict[str, Any]:
    """Type, message and stack trace, redacted. Of a long text the innermost frames are kept: they say where."""
    kind = type(exception)
    qualified = (
        kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    )
    described: dict[str, Any] = {"exception.type": qualified}
    try:
        described["exception.message"] = redact(str(exception)[:length_limit])
    except Exception:
        described["exception.message"] = ""
    try:
        text = redact("".join(traceback.format_exception(exception, limit=-_FRAMES))[-length_limit:])
    except Exception:
        text = qualified
    described["exception.stacktrace"] = text
    if escaped is not None:
        described["exception.escaped"] = str(escaped)
    return described


def exception_summary(exception: BaseException, redact: Redact = as_it_is) -> str:
    """`Type: message`, redacted; even of an exception whose `__str__` fails."""
    try:
        return redact(f"{type(exception).__name__}: {exception}")
    except Exception:
        return type(exception).__name__
