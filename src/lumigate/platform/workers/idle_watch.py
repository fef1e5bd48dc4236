"""How long a body's sender has been silent, watched by one timer for all of its reads.

Setting and clearing a timer for every read were a twelfth of what a streamed chunk costs. This timer looks, when it
fires, at how long the wait in progress has lasted, and is set again for the rest. It holds a Python object, so whoever
is done with the body, in whichever way, must call `stop`.
"""

from __future__ import annotations

from typing import Any

import js
from pyodide.ffi import create_once_callable

from lumigate.platform.workers.abort import Abort


class IdleWatch:
    """Aborts once a wait, from `begin` to `pause`, has lasted `seconds`."""

    __slots__ = ("_abort", "_ms", "_now", "_proxy", "_since", "_timer")

    def __init__(self, abort: Abort, seconds: float) -> None:
        self._abort = abort
        self._ms = seconds * 1000
        self._now = js.Date.now
        self._since: float | None = None
        self._timer: Any = None
        self._proxy: Any = None
        self._set(self._ms)

    def begin(self) -> None:
        self._since = self._now()

    def pause(self) -> None:
        """How long our own reader takes is not the silence of whoever sends."""
        self._since = None

    def stop(self) -> None:
        """Once or more often."""
        if self._proxy is not None:
            js.clearTimeout(self._timer)
            self._proxy.destroy()
            self._proxy = None

    def _set(self, ms: float) -> None:
        self._proxy = create_once_callable(self._look)
        self._timer = js.setTimeout(self._proxy, ms)

    def _look(self, *_: Any) -> None:
        self._proxy = None  # called, it has destroyed itself
        left = self._ms if self._since is None else self._since + self._ms - self._now()
        if left <= 0:
            self._abort.now()
        else:
            self._set(left)
