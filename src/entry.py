"""Cloudflare's entrypoints: wiring only. `main` in wrangler.toml names this file; imports start at its folder."""

from __future__ import annotations

from typing import Any

from workers import DurableObject, WorkerEntrypoint

from lumigate.platform.workers.import_failure import BrokenIsolate

try:
    from lumigate.platform.workers import isolate
except ImportError as error:
    isolate = BrokenIsolate(error)  # type: ignore[assignment]  # the same functions


class Default(WorkerEntrypoint):
    """The Worker. The runtime makes one instance a request."""

    async def fetch(self, request: Any) -> Any:
        return await isolate.serve(getattr(request, "js_object", request), self.env, self.ctx)

    async def scheduled(self, controller: Any, env: Any = None, ctx: Any = None) -> None:
        await isolate.run_cron(controller.cron, self.env, self.ctx)


class MetricsShard(DurableObject):
    """The counter shard: the single writer of metric series."""

    def __init__(self, ctx: Any, env: Any) -> None:
        super().__init__(ctx, env)
        self._shard = isolate.open_shard(self.ctx)

    async def push(self, batch: Any) -> Any:
        return await self._shard.push(batch)

    async def scrape(self, form: Any) -> Any:
        return await self._shard.scrape(form)

    async def alarm(self, alarm_info: Any = None) -> None:
        await self._shard.alarm()
