"""An exception as span and log attributes (semantic conventions, «exceptions»)."""

from __future__ import annotations

import traceback
from typing import Any, Final

_FRAMES: Final = 40


def describe_exception(
    exception: BaseException, length_limit: int, *, escaped: bool | None = None
) -> dict[str, Any]:
    """Type, message and stack trace. The innermost frames are kept when the text is too long: they say where."""
    kind = type(exception)
    qualified = (
        kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    )
    described: dict[str, Any] = {"exception.type": qualified}
    try:
        described["exception.message"] = str(exception)
    except Exception:
        described["exception.message"] = ""
    try:
        text = "".join(traceback.format_exception(exception, limit=-_FRAMES))
    except Exception:
        text = qualified
    described["exception.stacktrace"] = text[-length_limit:]
    if escaped is not None:
        described["exception.escaped"] = str(escaped)
    return described
