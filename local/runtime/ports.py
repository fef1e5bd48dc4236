"""All ports of one process, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from local.runtime.aead import LocalAead
from local.runtime.background import BackgroundTasks
from local.runtime.blobs import SqliteBlobs
from local.runtime.clock import AnchoredClock
from local.runtime.console import ListeningConsole
from local.runtime.crypto import LocalCrypto
from local.runtime.data_points import SqliteDataPoints
from local.runtime.entropy import SystemEntropy
from local.runtime.fetch import AiohttpFetch
from local.runtime.http_client import HttpClient
from local.runtime.key_value import SqliteKeyValue
from local.runtime.ledger import LocalLedger, LocalLedgers
from local.runtime.post import AiohttpPost
from local.runtime.rate_limit import FixedWindowRateLimit
from local.runtime.region import LocalRegion
from local.runtime.session import LocalSession, LocalSessionIndex, LocalSessions
from local.runtime.shard import LocalShard, LocalShards
from local.runtime.sqlite import Database
from local.runtime.vectors import MemoryVectors
from lumigate.ports import Timeout
from lumigate.region import EU

DATABASE_NAME = "lumigate.sqlite3"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPorts:
    """The adapters. Here, unlike on Workers, every request may share them: one process, one loop."""

    clock: AnchoredClock
    entropy: SystemEntropy
    fetch: AiohttpFetch
    post: AiohttpPost
    crypto: LocalCrypto
    aead: LocalAead
    background: BackgroundTasks
    console: ListeningConsole
    key_value: SqliteKeyValue | None
    blobs: SqliteBlobs | None
    vectors: MemoryVectors | None
    data_points: SqliteDataPoints | None
    rate_limit: FixedWindowRateLimit | None
    address_limit: FixedWindowRateLimit | None
    shards: LocalShards
    ledgers: LocalLedgers
    sessions: LocalSessions
    regional: LocalRegion
    database: Database
    client: HttpClient
    timeout: Timeout = asyncio.timeout
    ai: None = None
    """Models of the platform are Cloudflare's; here they are asked over REST."""

    def shard(self, name: str) -> LocalShard:
        return self.shards.get(name)

    def blobs_in(self, jurisdiction: str) -> SqliteBlobs | None:
        return self.regional.blobs() if jurisdiction == self.regional.name else None

    def session(self, name: str, jurisdiction: str = "") -> LocalSession:
        return self._sessions_in(jurisdiction).get(name)

    def session_index(self, owner: str, jurisdiction: str = "") -> LocalSessionIndex:
        return self._sessions_in(jurisdiction).index(owner)

    def ledger(self, tenant: str, jurisdiction: str = "") -> LocalLedger:
        return (self.regional.ledgers if jurisdiction else self.ledgers).get(tenant)

    def _sessions_in(self, jurisdiction: str) -> LocalSessions:
        return self.regional.sessions if jurisdiction else self.sessions

    async def close(self, timeout_seconds: float = 5.0) -> None:
        """Let the background work end, then close the client and the database."""
        await self.background.drain(timeout_seconds)
        await self.shards.close()
        self.ledgers.close()
        await self.sessions.close()
        await self.regional.close()
        await self.client.aclose()
        self.database.close()


def open_ports(
    data: Path,
    environ: Mapping[str, Any] | None = None,
    *,
    rate_limit: int | None = None,
    address_limit: int | None = None,
    rate_limit_period_seconds: Literal[10, 60] = 60,
) -> LocalPorts:
    """Open the database in the folder `data` (made if need be) and build the adapters on it.

    `environ` holds the settings of the counter shards; `rate_limit` and `address_limit` None are a deployment without
    that binding.
    """
    clock = AnchoredClock()
    background = BackgroundTasks()
    database = Database(data / DATABASE_NAME)
    client = HttpClient()
    entropy, post = SystemEntropy(), AiohttpPost(client)

    def wall(limit: int | None) -> FixedWindowRateLimit | None:
        if limit is None:
            return None
        return FixedWindowRateLimit(clock, limit=limit, period_seconds=rate_limit_period_seconds)

    return LocalPorts(
        clock=clock,
        entropy=entropy,
        fetch=AiohttpFetch(client),
        post=post,
        crypto=LocalCrypto(),
        aead=LocalAead(),
        background=background,
        console=ListeningConsole(),
        key_value=SqliteKeyValue(database, clock),
        blobs=SqliteBlobs(database, clock),
        vectors=MemoryVectors(),
        data_points=SqliteDataPoints(database, clock),
        rate_limit=wall(rate_limit),
        address_limit=wall(address_limit),
        shards=LocalShards(data / "shards", environ or {}, clock=clock, entropy=entropy, post=post),
        ledgers=LocalLedgers(data / "ledgers", clock),
        sessions=LocalSessions(data / "sessions.sqlite3", environ or {}, clock=clock),
        regional=LocalRegion(data / EU, environ or {}, clock=clock),
        database=database,
        client=client,
    )
