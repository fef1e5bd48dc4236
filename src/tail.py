"""The Tail Worker: the safety net under the gateway. Deployed by itself (`--env tail`), before the gateway."""

from __future__ import annotations

from typing import Any

from workers import WorkerEntrypoint

from lumigate.platform.workers import tail


class Default(WorkerEntrypoint):
    """Is told how every invocation of the gateway ended."""

    async def tail(self, events: Any, env: Any = None, ctx: Any = None) -> None:
        await tail.report(events, self.env, self.ctx)
