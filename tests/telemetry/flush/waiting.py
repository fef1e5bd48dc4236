"""Time that stands still until a test lets it go on."""

from __future__ import annotations

import asyncio

from lumigate.telemetry.host import PostResult
from tests.telemetry.fakes import FakeClock

UNAVAILABLE = PostResult(status=503, headers={}, body=b"")


class StuckClock(FakeClock):
    """Sleeping lasts until the test lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.awake = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        await self.awake.wait()
        self.advance(seconds)


async def settled() -> None:
    """Everything that can go on without time passing has gone on."""
    for _ in range(50):
        await asyncio.sleep(0)
