"""The counter shard as a Durable Object: a `ShardService` over the object's SQLite, woken by its alarm.

Everything between storing a batch and counting it is synchronous, because between two awaits another call may come in.
The alarm is set again whatever happened, so a failing export or a bug in one run never silences the shard.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping
from typing import Any

import js

from lumigate import __version__
from lumigate.config import is_setting
from lumigate.metrics_settings import MetricsSettings
from lumigate.platform.workers.environ import of_telemetry, read_settings, renew_secrets
from lumigate.platform.workers.object_database import ObjectDatabase
from lumigate.platform.workers.ports import CLOCK, ENTROPY
from lumigate.platform.workers.post import post
from lumigate.platform.workers.secrets_store import SECRETS
from lumigate.shard.service import ShardService
from lumigate.telemetry import ConfigurationError, Host, TelemetryConfig


class ShardObject:
    """What the class in `entry.py` delegates to. Opened by the first call: storage may be read only then."""

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx
        self._database = ObjectDatabase(ctx.storage)
        self._service: ShardService | None = None
        self._revision = 0  # of the secrets that it was built with
        self._export_ms = 0.0

    async def push(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        answer = (await self._open()).push(batch)
        await self._arm()
        return answer

    async def scrape(self, form: Mapping[str, Any]) -> str:
        return (await self._open()).scrape(form)

    async def alarm(self) -> None:
        if SECRETS.is_due():
            await renew_secrets(is_setting)  # all there are: the isolate may be the gateway's as well
        if self._service is not None and self._revision != SECRETS.revision:
            # As after an eviction. Here alone: nothing else of this object waits while it has a service in hand.
            await self._open_anew(self._service)
        service = await self._open()
        try:
            await service.alarm(Host(post=post, background=_never))
        finally:
            if not service.idle:
                await self._arm()

    async def _open(self) -> ShardService:
        if self._service is None:
            environ = await read_settings(_is_read)
            if self._service is None:  # still: another call may have come in where secrets had to be read
                self._service = self._build(environ)
        return self._service

    async def _open_anew(self, service: ShardService) -> None:
        """A secret has become another. If it is none now, the service goes on with what it has."""
        try:
            self._service = self._build(await read_settings(_is_read))
        except ConfigurationError as error:
            line = {"event": "configuration_error", "level": "error", "message": str(error)}
            js.console.error(json.dumps(line))
            self._service = service

    def _build(self, environ: dict[str, Any]) -> ShardService:
        self._revision = SECRETS.revision
        settings = MetricsSettings.from_environ(environ)
        texts = {name: str(value) for name, value in environ.items() if isinstance(value, str | int | float)}
        self._export_ms = settings.export_seconds * 1000
        return ShardService(
            self._name(),
            self._database.execute,
            settings=settings.shard_settings(),
            telemetry=TelemetryConfig.from_environ(texts),
            resource={
                "service.version": __version__,
                "deployment.environment.name": str(environ.get("ENVIRONMENT", "development")),
                "cloud.provider": "cloudflare",
                "cloud.platform": "cloudflare.workers",
            },
            clock=CLOCK,
            entropy=ENTROPY,
        )

    def _name(self) -> str:
        """What the shard is called by those who push to it: the identity of its series, which must never change.

        An alarm that wakes an object which was evicted may not know it (github.com/cloudflare/workerd/issues/6850),
        so it is written down by the first event that does.
        """
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS shard_name (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"
        )
        for (name,) in self._database.execute("SELECT name FROM shard_name WHERE id = 1"):
            return str(name)
        name = self._ctx.id.name
        if not name:
            return str(self._ctx.id.toString())
        self._database.execute("INSERT INTO shard_name (id, name) VALUES (1, ?)", str(name))
        return str(name)

    async def _arm(self) -> None:
        """Set the alarm, unless one is set already."""
        if await self._ctx.storage.getAlarm() is None:
            await self._ctx.storage.setAlarm(CLOCK.now_ns() // 1_000_000 + int(self._export_ms))


def _is_read(name: str) -> bool:
    return name in MetricsSettings.NAMES or of_telemetry(name)


def _never(coroutine: Coroutine[Any, Any, Any], /) -> None:
    """A Durable Object awaits its exports itself: its `waitUntil` does nothing for coroutines."""
    coroutine.close()
