"""Cloudflare's entrypoints: wiring only. `main` in wrangler.toml names this file; imports start at its folder."""

from __future__ import annotations

from typing import Any

from workers import DurableObject, WorkerEntrypoint

from lumigate.platform.workers.import_failure import BrokenIsolate

try:
    from lumigate.platform.workers import isolate
except ImportError as error:
    isolate = BrokenIsolate(error)  # type: ignore[assignment]  # the same two functions


class Default(WorkerEntrypoint):
    """The Worker. The runtime makes one instance a request."""

    async def fetch(self, request: Any) -> Any:
        return await isolate.serve(getattr(request, "js_object", request), self.env, self.ctx)

    async def scheduled(self, controller: Any, env: Any = None, ctx: Any = None) -> None:
        await isolate.run_cron(controller.cron, self.env, self.ctx)


class MetricsShard(DurableObject):
    """The counter shard: stores each batch before it acknowledges it."""

    async def push(self, batch: Any) -> dict[str, Any]:
        isolate_id, sequence = batch["isolate"], batch["sequence"]
        await self.ctx.storage.put(f"batch:{isolate_id}:{sequence}", batch)
        return {"accepted": True, "sequence": sequence}
