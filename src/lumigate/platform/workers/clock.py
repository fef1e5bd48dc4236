"""Time and randomness on Workers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import js


class WorkersClock:
    """`Date.now()`, never Python's clock: the runtime makes `time.time()` run ahead and jump back."""

    def __init__(self) -> None:
        self._read: Callable[[], float] | None = None
        """The function itself. A request reads the clock dozens of times, and finding it costs more than calling it."""

    def now_ns(self) -> int:
        read = self._read
        if read is None:
            # Not before a request: no foreign object may be in the snapshot that isolates start from.
            read = self._read = js.Date.now
        # A JavaScript number arrives as int or float; milliseconds are whole.
        return int(read()) * 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class WorkersEntropy:
    """`crypto.getRandomValues`, which is what `os.urandom` is in Pyodide. Raises at import, by the runtime's rule."""

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)
