"""A fake for every port."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from local.runtime.aead import LocalAead
from lumigate.ports import (
    Aead,
    Background,
    BlobStore,
    Clock,
    Console,
    CounterShard,
    Crypto,
    DataPoints,
    Entropy,
    Fetch,
    KeyValue,
    Ledger,
    ModelBinding,
    Ports,
    Post,
    RateLimit,
    SessionIndex,
    SessionObject,
    Timeout,
    VectorIndex,
)
from tests.fakes.clock import FakeClock, FakeEntropy
from tests.fakes.crypto import FakeCrypto
from tests.fakes.fetch import FakeFetch
from tests.fakes.sessions import FakeSessions
from tests.fakes.stores import (
    FakeBackground,
    FakeConsole,
    FakeDataPoints,
    FakeKeyValue,
    FakePost,
    FakeRateLimit,
)


@dataclass(slots=True, kw_only=True)
class FakePorts:
    """A fake for every port; replace what a test is about."""

    clock: FakeClock = field(default_factory=FakeClock)
    entropy: FakeEntropy = field(default_factory=FakeEntropy)
    fetch: FakeFetch = field(default_factory=FakeFetch)
    post: FakePost = field(default_factory=FakePost)
    crypto: Crypto = field(default_factory=FakeCrypto)
    aead: Aead = field(default_factory=LocalAead)
    background: FakeBackground = field(default_factory=FakeBackground)
    console: FakeConsole = field(default_factory=FakeConsole)
    key_value: FakeKeyValue | None = field(default_factory=FakeKeyValue)
    blobs: BlobStore | None = None
    vectors: VectorIndex | None = None
    data_points: FakeDataPoints | None = field(default_factory=FakeDataPoints)
    rate_limit: FakeRateLimit | None = field(default_factory=FakeRateLimit)
    address_limit: FakeRateLimit | None = None
    ai: ModelBinding | None = None
    timeout: Timeout = asyncio.timeout
    shards: dict[str, CounterShard] = field(default_factory=dict)
    sessions: FakeSessions | None = None
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    eu_blobs: BlobStore | None = None
    eu_sessions: FakeSessions | None = None
    eu_ledgers: dict[str, Ledger] = field(default_factory=dict)

    def shard(self, name: str) -> CounterShard | None:
        return self.shards.get(name)

    def blobs_in(self, jurisdiction: str) -> BlobStore | None:
        return self.eu_blobs if jurisdiction == "eu" else None

    def session(self, name: str, jurisdiction: str = "") -> SessionObject | None:
        sessions = self._sessions_in(jurisdiction)
        return sessions.get(name) if sessions is not None else None

    def session_index(self, owner: str, jurisdiction: str = "") -> SessionIndex | None:
        sessions = self._sessions_in(jurisdiction)
        return sessions.index(owner) if sessions is not None else None

    def _sessions_in(self, jurisdiction: str) -> FakeSessions | None:
        """Those of a jurisdiction are there wherever there are sessions at all."""
        if jurisdiction and self.sessions is not None and self.eu_sessions is None:
            self.eu_sessions = FakeSessions(self.clock)
        return self.eu_sessions if jurisdiction else self.sessions

    def ledger(self, tenant: str, jurisdiction: str = "") -> Ledger | None:
        return (self.eu_ledgers if jurisdiction else self.ledgers).get(tenant)


def fake_ports(**overrides: Any) -> FakePorts:
    return FakePorts(**overrides)


# The fakes have the shapes of the ports: a type checker reads this, nothing runs it.
def _conforms(ports: FakePorts) -> Ports:
    clock: Clock = ports.clock
    entropy: Entropy = ports.entropy
    fetch: Fetch = ports.fetch
    post: Post = ports.post
    background: Background = ports.background
    console: Console = ports.console
    key_value: KeyValue | None = ports.key_value
    data_points: DataPoints | None = ports.data_points
    rate_limit: RateLimit | None = ports.rate_limit
    del clock, entropy, fetch, post, background, console, key_value, data_points, rate_limit
    return ports
