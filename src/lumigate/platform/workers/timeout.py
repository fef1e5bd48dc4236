"""`asyncio.timeout` on Workers, with a timer that is cleared.

A timer of Pyodide's event loop cannot be taken back: cancelled, it is only forgotten, and its proxy stays behind for
good if the request ends before it would have fired. Semantics are those of `asyncio.Timeout`.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

import js
from pyodide.ffi import create_once_callable


class WorkersTimeout:
    """An async context manager that raises `TimeoutError` when its block takes longer. Not reusable."""

    __slots__ = ("_cancelling", "_expired", "_proxy", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._expired = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        # A tenth of the price of a proxy that may be called again.
        self._proxy = create_once_callable(self._expire)
        self._timer = js.setTimeout(self._proxy, max(0.0, self._seconds) * 1000)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._expired:  # called, it has destroyed itself
            js.clearTimeout(self._timer)
            self._proxy.destroy()
        if (
            self._expired
            and self._task.uncancel() <= self._cancelling
            and kind is not None
            and issubclass(kind, asyncio.CancelledError)
        ):
            raise TimeoutError from error

    def _expire(self, *_: Any) -> None:
        self._expired = True
        self._task.cancel()
