"""All ports of one process, put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx

from local.runtime.aead import LocalAead
from local.runtime.background import BackgroundTasks
from local.runtime.blobs import SqliteBlobs
from local.runtime.clock import AnchoredClock
from local.runtime.console import ListeningConsole
from local.runtime.crypto import LocalCrypto
from local.runtime.data_points import SqliteDataPoints
from local.runtime.entropy import SystemEntropy
from local.runtime.fetch import HttpxFetch
from local.runtime.http_client import new_http_client
from local.runtime.key_value import SqliteKeyValue
from local.runtime.post import HttpxPost
from local.runtime.rate_limit import FixedWindowRateLimit
from local.runtime.shard import LocalShard, LocalShards
from local.runtime.sqlite import Database

DATABASE_NAME = "lumigate.sqlite3"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPorts:
    """The adapters. Here, unlike on Workers, every request may share them: one process, one loop."""

    clock: AnchoredClock
    entropy: SystemEntropy
    fetch: HttpxFetch
    post: HttpxPost
    crypto: LocalCrypto
    aead: LocalAead
    background: BackgroundTasks
    console: ListeningConsole
    key_value: SqliteKeyValue | None
    blobs: SqliteBlobs | None
    data_points: SqliteDataPoints | None
    rate_limit: FixedWindowRateLimit | None
    shards: LocalShards
    database: Database
    client: httpx.AsyncClient
    ai: None = None
    """Models of the platform are Cloudflare's; here they are asked over REST."""

    def shard(self, name: str) -> LocalShard:
        return self.shards.get(name)

    async def close(self, timeout_seconds: float = 5.0) -> None:
        """Let the background work end, then close the client and the database."""
        await self.background.drain(timeout_seconds)
        await self.shards.close()
        await self.client.aclose()
        self.database.close()


def open_ports(
    data: Path,
    environ: Mapping[str, Any] | None = None,
    *,
    rate_limit: int | None = None,
    rate_limit_period_seconds: Literal[10, 60] = 60,
) -> LocalPorts:
    """Open the database in the folder `data` (made if need be) and build the adapters on it.

    `environ` holds the settings of the counter shards; `rate_limit` None is a deployment without that binding.
    """
    clock = AnchoredClock()
    background = BackgroundTasks()
    database = Database(data / DATABASE_NAME)
    client = new_http_client()
    entropy, post = SystemEntropy(), HttpxPost(client)
    return LocalPorts(
        clock=clock,
        entropy=entropy,
        fetch=HttpxFetch(client, background),
        post=post,
        crypto=LocalCrypto(),
        aead=LocalAead(),
        background=background,
        console=ListeningConsole(),
        key_value=SqliteKeyValue(database, clock),
        blobs=SqliteBlobs(database, clock),
        data_points=SqliteDataPoints(database, clock),
        rate_limit=None
        if rate_limit is None
        else FixedWindowRateLimit(clock, limit=rate_limit, period_seconds=rate_limit_period_seconds),
        shards=LocalShards(data / "shards", environ or {}, clock=clock, entropy=entropy, post=post),
        database=database,
        client=client,
    )
