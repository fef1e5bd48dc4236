"""A cache over fakes, and requests for it."""

from __future__ import annotations

from typing import Any

from lumigate.cache.asked import Asked
from lumigate.cache.entry import Entry
from lumigate.cache.key import namespace_of
from lumigate.cache.policy import Ruling
from lumigate.cache.settings import CacheRules, CacheSettings
from lumigate.cache.tiers import TieredCache
from tests.fakes import FakeBlobs, FakeKeyValue, ScopeUnderTest, fake_ports, make_scope

KEY = "0123456789abcdef" * 4
SECOND = 1_000_000_000


def make_cache(l1_bytes: int = 100_000, *, stampede_ms: float = 0, **rules: Any) -> TieredCache:
    chosen: dict[str, Any] = {"l1_ttl_seconds": 60, "l2_ttl_seconds": 600, "l3_ttl_seconds": 6000} | rules
    return TieredCache(
        CacheSettings(l1_bytes=l1_bytes, stampede_ms=stampede_ms, rules=CacheRules(**chosen)), keys=None
    )


def make_asked(
    rig: ScopeUnderTest,
    cache: TieredCache,
    key: str = KEY,
    *,
    tenant: str = "acme",
    alias: str = "fast",
    ttl_seconds: float = 600,
    max_age_seconds: int | None = None,
    tags: tuple[str, ...] = (),
) -> Asked:
    return Asked(
        key=key,
        namespace=namespace_of(tenant, shared=False),
        alias=alias,
        rules=cache.settings.rules,
        ruling=Ruling(
            reads=True, writes=True, ttl_seconds=ttl_seconds, max_age_seconds=max_age_seconds, tags=tags
        ),
        asked_ns=rig.ports.clock.now_ns(),
        stream=False,
        wants_usage=False,
    )


def make_entry(rig: ScopeUnderTest, asked: Asked, body: bytes = b"answer") -> Entry:
    return asked.entry(
        body,
        provider="openai",
        model="m",
        input_tokens=1,
        output_tokens=2,
        cost_usd=0.25,
        now_ns=rig.ports.clock.now_ns(),
    )


def make_rig(**ports: Any) -> ScopeUnderTest:
    return make_scope(ports=fake_ports(**{"blobs": FakeBlobs(), **ports}))


def kv(rig: ScopeUnderTest) -> FakeKeyValue:
    assert rig.ports.key_value is not None
    return rig.ports.key_value


def blobs(rig: ScopeUnderTest) -> FakeBlobs:
    assert isinstance(rig.ports.blobs, FakeBlobs)
    return rig.ports.blobs


def lookups(rig: ScopeUnderTest) -> dict[tuple[str, str], float]:
    """Tier and result of every lookup so far."""
    found: dict[tuple[str, str], float] = {}
    for labels in rig.observed.labels("lumigate.cache.lookups"):
        tier, result = labels["lumigate.cache.tier"], labels["lumigate.cache.result"]
        found[tier, result] = rig.observed.total(
            "lumigate.cache.lookups", lumigate__cache__tier=tier, lumigate__cache__result=result
        )
    return found
