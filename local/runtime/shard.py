"""The counter shards of one process: the same `ShardService` as in a Durable Object, each over a SQLite file.

The alarm is a task that runs every `export_seconds` for as long as the shard has anything to tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lumigate import __version__
from lumigate.metrics_settings import MetricsSettings
from lumigate.shard.service import ShardService
from lumigate.telemetry import Host, TelemetryConfig
from lumigate.telemetry.host import Clock, Entropy, Post

logger = logging.getLogger(__name__)

LAST_EXPORT_SECONDS = 3.0


class LocalShard:
    """The `CounterShard` port over one service; a stub in production, the thing itself here."""

    def __init__(self, service: ShardService) -> None:
        self.service = service

    async def push(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.service.push(batch)

    async def scrape(self, form: Mapping[str, Any]) -> str:
        return self.service.scrape(form)


class LocalShards:
    """All shards, opened when first asked for. `close` exports once more and closes the files."""

    def __init__(
        self, folder: Path, environ: Mapping[str, Any], *, clock: Clock, entropy: Entropy, post: Post
    ) -> None:
        self._folder = folder
        self._settings = MetricsSettings.from_environ(environ)
        self._telemetry = TelemetryConfig.from_environ({name: str(value) for name, value in environ.items()})
        self._environment = str(environ.get("ENVIRONMENT", "development"))
        self._clock = clock
        self._entropy = entropy
        self._post = post
        self._shards: dict[str, LocalShard] = {}
        self._connections: list[sqlite3.Connection] = []
        self._alarms: set[asyncio.Task[None]] = set()

    def get(self, name: str) -> LocalShard:
        """The shard of that name; its alarm runs from now on."""
        if name not in self._shards:
            self._shards[name] = LocalShard(self._open(name))
            alarm = asyncio.get_running_loop().create_task(self._run_alarm(self._shards[name].service))
            self._alarms.add(alarm)
            alarm.add_done_callback(self._alarms.discard)
        return self._shards[name]

    async def close(self) -> None:
        for alarm in list(self._alarms):
            alarm.cancel()
        await asyncio.gather(*self._alarms, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            # A collector that does not answer must not hold up the end: what is stored is exported after a start.
            async with asyncio.timeout(LAST_EXPORT_SECONDS):
                await asyncio.gather(*(self._alarm(shard.service) for shard in self._shards.values()))
        for connection in self._connections:
            connection.close()

    def _open(self, name: str) -> ShardService:
        self._folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._folder / f"{name}.sqlite3", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        self._connections.append(connection)

        def execute(sql: str, /, *parameters: int | str) -> Iterable[Sequence[Any]]:
            return connection.execute(sql, parameters).fetchall()

        return ShardService(
            name,
            execute,
            settings=self._settings.shard_settings(),
            telemetry=self._telemetry,
            resource={"service.version": __version__, "deployment.environment.name": self._environment},
            clock=self._clock,
            entropy=self._entropy,
        )

    async def _run_alarm(self, service: ShardService) -> None:
        while True:
            await asyncio.sleep(self._settings.export_seconds)
            await self._alarm(service)

    async def _alarm(self, service: ShardService) -> None:
        try:
            await service.alarm(Host(post=self._post, background=_never))
        except Exception:
            logger.exception("the alarm of %s failed", service.name)


def _never(coroutine: Coroutine[Any, Any, Any], /) -> None:
    """A shard awaits its exports itself, as in a Durable Object."""
    coroutine.close()
