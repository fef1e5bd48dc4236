"""Work that outlives its response: tracked, awaited at shutdown, and never lost in silence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger(__name__)


class BackgroundTasks:
    """The stand-in for `ctx.waitUntil`. Call it with a coroutine; it owns the coroutine from then on."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.failures = 0

    def __call__(self, coroutine: Coroutine[Any, Any, Any], /) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    @property
    def pending(self) -> int:
        return len(self._tasks)

    async def drain(self, timeout_seconds: float) -> int:
        """Wait for what is under way and for what it starts; cancel the rest and return how many."""
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while self._tasks and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left)
        late = set(self._tasks)
        for task in late:
            task.cancel()
        if late:
            logger.warning("%d background tasks were cut off at shutdown", len(late))
            await asyncio.wait(late, timeout=1.0)
        return len(late)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures += 1
            logger.error("a background task failed: %r", error, exc_info=error)
