from __future__ import annotations

import pytest

from lumigate.cache.entry import Entry
from lumigate.cache.tiers import TieredCache
from tests.fakes import FakeKeyValue, ScopeUnderTest, fake_ports, make_scope

KEY = "0123456789abcdef" * 4
LOOKUPS, WRITES = "lumigate.cache.lookups", "lumigate.cache.writes"


def make_cache(l1_bytes: int = 100_000) -> TieredCache:
    return TieredCache(l1_bytes=l1_bytes, l1_ttl_seconds=60, l2_ttl_seconds=600)


def make_entry(rig: ScopeUnderTest, cache: TieredCache, body: bytes = b"answer") -> Entry:
    return Entry(
        content_type="application/json",
        provider="openai",
        model="m",
        input_tokens=1,
        output_tokens=2,
        cost_usd=0.25,
        expires_ns=cache.expires_ns(rig.ports.clock.now_ns()),
        body=body,
    )


def kv(rig: ScopeUnderTest) -> FakeKeyValue:
    assert rig.ports.key_value is not None
    return rig.ports.key_value


def lookups(rig: ScopeUnderTest) -> dict[tuple[str, str], float]:
    return {
        (tier, result): count
        for tier in ("l1", "l2")
        for result in ("hit", "miss", "expired", "error")
        if (count := rig.observed.total(LOOKUPS, lumigate__cache__tier=tier, lumigate__cache__result=result))
    }


async def test_an_answer_is_found_in_memory_first() -> None:
    rig, cache = make_scope(), make_cache()
    entry = make_entry(rig, cache)
    cache.store(rig.scope, KEY, entry)
    assert await cache.lookup(rig.scope, KEY) == entry
    assert rig.scope.facts.cache == "hit-l1"
    assert lookups(rig) == {("l1", "hit"): 1}


async def test_another_isolate_finds_it_in_kv_and_then_has_it_in_memory() -> None:
    rig, cache = make_scope(), make_cache()
    entry = make_entry(rig, cache)
    cache.store(rig.scope, KEY, entry)
    await rig.ports.background.run()
    other = make_cache()
    assert await other.lookup(rig.scope, KEY) == entry
    assert rig.scope.facts.cache == "hit-l2"
    assert await other.lookup(rig.scope, KEY) == entry
    assert rig.scope.facts.cache == "hit-l1"
    assert lookups(rig) == {("l1", "miss"): 1, ("l2", "hit"): 1, ("l1", "hit"): 1}


async def test_a_miss_asks_every_tier() -> None:
    rig, cache = make_scope(), make_cache()
    assert await cache.lookup(rig.scope, KEY) is None
    assert rig.scope.facts.cache == "miss"
    rig.scope.span.end()
    assert rig.observed.tree("lumigate.cache.outcome", "lumigate.cache.result") == (
        "request [server]\n  cache.lookup miss\n    cache.l1 miss\n    cache.l2 miss"
    )
    assert rig.observed.span("cache.lookup").attributes["lumigate.cache.key"] == KEY[:16]


async def test_the_write_to_kv_does_not_delay_the_answer_and_has_its_time_to_live() -> None:
    rig, cache = make_scope(), make_cache()
    cache.store(rig.scope, KEY, make_entry(rig, cache))
    assert kv(rig).values == {}
    await rig.ports.background.run()
    assert kv(rig).ttl_seconds == {KEY: 600}
    for tier in ("l1", "l2"):
        written = rig.observed.total(WRITES, lumigate__cache__tier=tier, lumigate__cache__write="stored")
        assert written == 1


async def test_a_deployment_without_kv_has_memory_only() -> None:
    rig, cache = make_scope(ports=fake_ports(key_value=None)), make_cache()
    assert await cache.lookup(rig.scope, KEY) is None
    cache.store(rig.scope, KEY, make_entry(rig, cache))
    assert rig.ports.background.waiting == []
    assert await cache.lookup(rig.scope, KEY) is not None


@pytest.mark.parametrize("fault", [OSError("KV GET failed"), ValueError("key too long"), KeyError("js")])
async def test_a_tier_that_fails_is_skipped_and_counted(fault: Exception) -> None:
    rig, cache = make_scope(), make_cache()
    kv(rig).fault = fault
    assert await cache.lookup(rig.scope, KEY) is None
    cache.store(rig.scope, KEY, make_entry(rig, cache))
    await rig.ports.background.run()
    assert rig.scope.facts.cache == "miss"
    assert lookups(rig) == {("l1", "miss"): 1, ("l2", "error"): 1}
    assert rig.observed.total(WRITES, lumigate__cache__tier="l2", lumigate__cache__write="error") == 1
    assert rig.observed.span("cache.l2").attributes["error.type"] == type(fault).__name__


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"not an entry",
        b'{"format":0}\n',
        b"[" * 100_000,
        b'{"format":1,"content_type":"a","provider":"b","model":"c","input_tokens":1,"output_tokens":1,'
        b'"cost_usd":0.0,"expires_ns":"soon"}\nbody',
    ],
)
async def test_junk_in_kv_is_an_error_of_the_tier_and_not_of_the_request(junk: bytes) -> None:
    rig, cache = make_scope(), make_cache()
    kv(rig).values[KEY] = junk
    assert await cache.lookup(rig.scope, KEY) is None
    assert lookups(rig)["l2", "error"] == 1


async def test_an_answer_that_is_too_old_is_not_served_though_kv_still_has_it() -> None:
    """KV is eventually consistent in its deletions, too."""
    rig, cache = make_scope(), make_cache()
    entry = make_entry(rig, cache)
    kv(rig).values[KEY] = entry.to_bytes()
    rig.ports.clock.ns = entry.expires_ns - 1
    assert await make_cache().lookup(rig.scope, KEY) == entry
    rig.ports.clock.ns = entry.expires_ns
    assert await make_cache().lookup(rig.scope, KEY) is None
    assert lookups(rig)["l2", "expired"] == 1


async def test_an_answer_too_large_for_memory_is_kept_below_only() -> None:
    rig, cache = make_scope(), make_cache(l1_bytes=4000)
    cache.store(rig.scope, KEY, make_entry(rig, cache, b"x" * 2000))
    await rig.ports.background.run()
    assert rig.observed.total(WRITES, lumigate__cache__tier="l1", lumigate__cache__write="refused") == 1
    assert KEY in kv(rig).values
    await cache.lookup(rig.scope, KEY)
    assert rig.scope.facts.cache == "hit-l2"


async def test_answers_that_leave_memory_for_want_of_room_are_counted() -> None:
    rig, cache = make_scope(), make_cache(l1_bytes=4000)
    for number in range(10):
        cache.store(rig.scope, f"{number}", make_entry(rig, cache, b"x" * 400))
    await rig.ports.background.run()
    assert rig.observed.total("lumigate.cache.evictions") == 6
