"""Stops what works for a client that has left.

A hang-up is learnt from the request's own `signal` (compatibility flag `enable_request_signal`) and from nothing else:
a pump whose client has left never wakes again, so whatever it meant to report must be reported by the listener. And
what waits for a promise that never settles is kept for good, with all that it has in hand, because Pyodide lets go of
an awaiter only when the promise calls it: so the listener also cancels the task that serves the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pyodide.ffi import create_once_callable


class HangUp:
    """Calls `tell` when the client leaves, and cancels what works for it; that is whoever makes one of these.

    `close` must be called once the answer is out. Without the flag a request has no signal, and nothing happens.
    """

    def __init__(self, raw: Any, ctx: Any, tell: Callable[[], None] | None = None) -> None:
        self.fired = False
        self._tell = tell
        self._ctx = ctx
        self._task = asyncio.current_task()
        self._signal: Any = getattr(raw, "signal", None)
        self._listener: Any = None
        if not self._signal:
            return
        if self._signal.aborted:  # it left before there was anybody to tell
            self._note()
            return
        self._listener = create_once_callable(self._fire)
        self._signal.addEventListener("abort", self._listener)

    def take_over(self) -> None:
        """From now on the task that runs now is what works for the client. Raises `CancelledError` if it has left."""
        self._task = asyncio.current_task()
        if self.fired:
            raise asyncio.CancelledError

    def _fire(self, *_event: Any) -> None:
        self._listener = None  # a once-callable destroys itself when called
        self._note()
        if self._task is not None:
            self._task.cancel()
            # Unwinding takes turns of the loop, which there are only as long as something is waited for.
            self._ctx.waitUntil(_end_of(self._task))

    def _note(self) -> None:
        self.fired = True
        if self._tell is not None:
            self._tell()

    def close(self) -> None:
        self._task = None
        if self._listener is not None:
            self._signal.removeEventListener("abort", self._listener)
            self._listener.destroy()
            self._listener = None


async def _end_of(task: asyncio.Task[Any]) -> None:
    await asyncio.wait([task])
