"""The counter shard as a Durable Object: a `ShardService` over the object's SQLite, woken by its alarm.

Everything between storing a batch and counting it is synchronous, because between two awaits another call may come in.
The alarm is set again whatever happened, so a failing export or a bug in one run never silences the shard.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any

from lumigate import __version__
from lumigate.metrics_settings import MetricsSettings
from lumigate.platform.workers.environ import read_environ
from lumigate.platform.workers.ports import CLOCK, ENTROPY
from lumigate.platform.workers.post import post
from lumigate.shard.service import ShardService
from lumigate.telemetry import Host, TelemetryConfig


class ShardObject:
    """What the class in `entry.py` delegates to. Opened by the first call: storage may be read only then."""

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx
        self._service: ShardService | None = None
        self._export_ms = 0.0

    async def push(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._open().push(batch)
        await self._arm()
        return answer

    async def scrape(self, form: Mapping[str, Any]) -> str:
        return self._open().scrape(form)

    async def alarm(self) -> None:
        service = self._open()
        try:
            await service.alarm(Host(post=post, background=_never))
        finally:
            if not service.idle:
                await self._arm()

    def _open(self) -> ShardService:
        if self._service is None:
            environ = read_environ()
            settings = MetricsSettings.from_environ(environ)
            texts = {
                name: str(value) for name, value in environ.items() if isinstance(value, str | int | float)
            }
            self._export_ms = settings.export_seconds * 1000
            self._service = ShardService(
                self._name(),
                self._execute,
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
        return self._service

    def _name(self) -> str:
        """What the shard is called by those who push to it: the identity of its series, which must never change.

        An alarm that wakes an object which was evicted may not know it (github.com/cloudflare/workerd/issues/6850),
        so it is written down by the first event that does.
        """
        self._execute("CREATE TABLE IF NOT EXISTS shard_name (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        for (name,) in self._execute("SELECT name FROM shard_name WHERE id = 1"):
            return str(name)
        name = self._ctx.id.name
        if not name:
            return str(self._ctx.id.toString())
        self._execute("INSERT INTO shard_name (id, name) VALUES (1, ?)", str(name))
        return str(name)

    async def _arm(self) -> None:
        """Set the alarm, unless one is set already."""
        if await self._ctx.storage.getAlarm() is None:
            await self._ctx.storage.setAlarm(CLOCK.now_ns() // 1_000_000 + int(self._export_ms))

    def _execute(self, sql: str, /, *parameters: int | str) -> Iterable[Sequence[Any]]:
        """Run at once; SQL storage is synchronous. Rows come as JavaScript arrays."""
        cursor = self._ctx.storage.sql.exec(sql, *parameters)
        return [list(row) for row in cursor.raw()]


def _never(coroutine: Coroutine[Any, Any, Any], /) -> None:
    """A Durable Object awaits its exports itself: its `waitUntil` does nothing for coroutines."""
    coroutine.close()
