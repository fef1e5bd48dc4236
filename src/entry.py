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


class TenantLedger(DurableObject):
    """A tenant's budgets and exact limits: the single writer of its numbers."""

    def __init__(self, ctx: Any, env: Any) -> None:
        super().__init__(ctx, env)
        self._ledger = isolate.open_ledger(self.ctx)

    async def reserve(self, text: str) -> str:
        return self._ledger.reserve(text)

    async def settle(self, text: str) -> str:
        return self._ledger.settle(text)

    async def usage(self, text: str) -> str:
        return self._ledger.usage(text)


class Session(DurableObject):
    """One coding session: its turns in order, sealed, and gone when idle."""

    def __init__(self, ctx: Any, env: Any) -> None:
        super().__init__(ctx, env)
        self._session = isolate.open_session(self.ctx)

    async def create(self, message: Any) -> Any:
        return await self._session.create(message)

    async def begin(self, message: Any) -> Any:
        return await self._session.begin(message)

    async def commit(self, message: Any) -> Any:
        return await self._session.commit(message)

    async def abandon(self, message: Any) -> Any:
        return await self._session.abandon(message)

    async def read(self, message: Any) -> Any:
        return await self._session.read(message)

    async def remove(self, message: Any) -> Any:
        return await self._session.remove(message)

    async def alarm(self, alarm_info: Any = None) -> None:
        await self._session.alarm()


class SessionIndex(DurableObject):
    """All sessions of one subject, so that they can be forgotten together."""

    def __init__(self, ctx: Any, env: Any) -> None:
        super().__init__(ctx, env)
        self._index = isolate.open_session_index(self.ctx)

    async def add(self, message: Any) -> Any:
        return await self._index.add(message)

    async def touch(self, message: Any) -> Any:
        return await self._index.touch(message)

    async def drop(self, message: Any) -> Any:
        return await self._index.drop(message)

    async def names(self) -> Any:
        return await self._index.names()

    async def alarm(self, alarm_info: Any = None) -> None:
        await self._index.alarm()
