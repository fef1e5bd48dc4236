"""Time and randomness on Workers."""

from __future__ import annotations

import asyncio
import os

import js


class WorkersClock:
    """`Date.now()`, never Python's clock: the runtime makes `time.time()` run ahead and jump back."""

    def now_ns(self) -> int:
        # A JavaScript number arrives as int or float; milliseconds are whole.
        return int(js.Date.now()) * 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class WorkersEntropy:
    """`crypto.getRandomValues`, which is what `os.urandom` is in Pyodide. Raises at import, by the runtime's rule."""

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)
