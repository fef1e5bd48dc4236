from __future__ import annotations

import asyncio

import pytest

from lumigate.cache.entry import Entry
from lumigate.cache.key import store_key
from lumigate.cache.tiers import TieredCache
from tests.cache.rig import KEY, blobs, kv, lookups, make_asked, make_cache, make_entry, make_rig
from tests.fakes import FakeKeyValue, ScopeUnderTest

WRITES = "lumigate.cache.writes"
PLACE = store_key("t:acme", KEY)


async def stored(rig: ScopeUnderTest, cache: TieredCache, body: bytes = b"answer") -> Entry:
    """An entry in every tier."""
    asked = make_asked(rig, cache)
    entry = make_entry(rig, asked, body)
    cache.store(rig.scope, asked, entry)
    await rig.ports.background.run()
    return entry


async def looked_up(rig: ScopeUnderTest, cache: TieredCache) -> tuple[Entry | None, str]:
    found = await cache.lookup(rig.scope, make_asked(rig, cache))
    return None if found is None else found.entry, rig.scope.facts.cache


async def test_an_answer_is_found_in_memory_first() -> None:
    rig, cache = make_rig(), make_cache()
    entry = await stored(rig, cache)
    assert await looked_up(rig, cache) == (entry, "hit-l1")
    assert lookups(rig) == {("l1", "hit"): 1}


async def test_another_isolate_finds_it_in_kv_and_then_has_it_in_memory() -> None:
    rig, cache = make_rig(), make_cache()
    entry = await stored(rig, cache)
    other = make_cache()
    assert await looked_up(rig, other) == (entry, "hit-l2")
    assert await looked_up(rig, other) == (entry, "hit-l1")
    assert lookups(rig) == {("l1", "miss"): 1, ("l2", "hit"): 1, ("l1", "hit"): 1}
    assert rig.observed.total("lumigate.cache.promotions", lumigate__cache__tier="l2") == 1


async def test_what_only_r2_still_has_moves_up_into_both_tiers() -> None:
    rig, cache = make_rig(), make_cache()
    entry = await stored(rig, cache)
    kv(rig).values.pop(PLACE)
    other = make_cache()
    assert await looked_up(rig, other) == (entry, "hit-l3")
    assert PLACE not in kv(rig).values  # the answer did not wait for it
    await rig.ports.background.run()
    assert await looked_up(rig, make_cache()) == (entry, "hit-l2")
    assert await looked_up(rig, other) == (entry, "hit-l1")
    assert rig.observed.total("lumigate.cache.promotions", lumigate__cache__tier="l3") == 1


async def test_a_miss_asks_every_tier() -> None:
    rig, cache = make_rig(), make_cache()
    assert await looked_up(rig, cache) == (None, "miss")
    rig.scope.span.end()
    assert rig.observed.tree("lumigate.cache.outcome", "lumigate.cache.result") == (
        "request [server]\n  cache.lookup miss\n    cache.l1 miss\n    cache.l2 miss\n    cache.l3 miss"
    )
    assert rig.observed.span("cache.lookup").attributes["lumigate.cache.key"] == KEY[:16]


async def test_the_writes_below_do_not_delay_the_answer_and_have_their_times_to_live() -> None:
    rig, cache = make_rig(), make_cache()
    asked = make_asked(rig, cache)
    cache.store(rig.scope, asked, make_entry(rig, asked))
    assert kv(rig).values == blobs(rig).values == {}
    await rig.ports.background.run()
    assert kv(rig).ttl_seconds == {PLACE: 600}
    assert PLACE in blobs(rig).values
    for tier in ("l1", "l2", "l3"):
        written = rig.observed.total(WRITES, lumigate__cache__tier=tier, lumigate__cache__write="stored")
        assert written == 1
        assert rig.observed.total("lumigate.cache.bytes", lumigate__cache__tier=tier) > 0


async def test_a_deployment_without_stores_has_memory_only() -> None:
    rig, cache = make_rig(key_value=None, blobs=None), make_cache()
    assert await looked_up(rig, cache) == (None, "miss")
    await stored(rig, cache)
    assert (await looked_up(rig, cache))[1] == "hit-l1"
    assert lookups(rig) == {("l1", "miss"): 1, ("l1", "hit"): 1}


@pytest.mark.parametrize("fault", [OSError("KV GET failed"), ValueError("key too long"), KeyError("js")])
async def test_a_tier_that_fails_is_skipped_and_counted(fault: Exception) -> None:
    rig, cache = make_rig(), make_cache()
    kv(rig).fault = fault
    assert await looked_up(rig, cache) == (None, "miss")
    await stored(rig, cache)
    assert lookups(rig) == {("l1", "miss"): 1, ("l2", "error"): 1, ("l3", "miss"): 1}
    assert rig.observed.total(WRITES, lumigate__cache__tier="l2", lumigate__cache__write="error") == 1
    assert rig.observed.total(WRITES, lumigate__cache__tier="l3", lumigate__cache__write="stored") == 1
    assert rig.observed.span("cache.l2").attributes["error.type"] == type(fault).__name__


async def test_kv_may_fail_while_r2_answers_once_purges_are_known() -> None:
    rig, cache = make_rig(), make_cache()
    entry = await stored(rig, cache)
    other = make_cache()
    await other.lookup(rig.scope, make_asked(rig, other, "f" * 64))  # reads the marks
    kv(rig).fault = OSError("down")
    assert await looked_up(rig, other) == (entry, "hit-l3")


async def test_an_isolate_that_cannot_learn_of_purges_serves_nothing_from_below() -> None:
    rig, cache = make_rig(), make_cache()
    await stored(rig, cache)
    kv(rig).fault = OSError("down")
    assert await looked_up(rig, make_cache()) == (None, "miss")


class SlowKeyValue(FakeKeyValue):
    async def get(self, key: str) -> bytes | None:
        await asyncio.Event().wait()
        raise AssertionError("it never comes to this")


async def test_a_tier_that_is_slow_is_given_up_and_left_out_after_three_times() -> None:
    rig, cache = make_rig(key_value=SlowKeyValue()), make_cache()
    for tier in cache.lower:
        tier._budget_seconds = 0.005
    for _ in range(5):
        assert await looked_up(rig, cache) == (None, "miss")
    assert lookups(rig)["l2", "error"] == 3
    assert lookups(rig)["l2", "skipped"] == 2
    changes = "lumigate.cache.breaker.changes"
    assert rig.observed.total(changes, lumigate__cache__tier="l2", lumigate__cache__breaker="open") == 1


async def test_a_breaker_lets_one_probe_through_and_closes_when_it_comes_back() -> None:
    rig, cache = make_rig(), make_cache()
    entry = await stored(rig, cache)
    cold = make_cache()
    kv(rig).fault = OSError("down")
    for _ in range(4):
        await looked_up(rig, cold)
    kv(rig).fault = None
    assert await looked_up(rig, cold) == (None, "miss")  # still open; and purges are not known
    rig.ports.clock.advance(6)
    assert await looked_up(rig, cold) == (entry, "hit-l2")
    changes = rig.observed.labels("lumigate.cache.breaker.changes")
    assert {labels["lumigate.cache.breaker"] for labels in changes} == {"open", "half_open", "closed"}


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"not an entry",
        b'{"format":0}\n',
        b"[" * 100_000,
        b'{"format":2,"content_type":"a","provider":"b","model":"c","input_tokens":1,"output_tokens":1,'
        b'"cost_usd":0.0,"expires_ns":"soon"}\nbody',
    ],
)
async def test_junk_in_a_store_is_an_error_of_the_tier_and_not_of_the_request(junk: bytes) -> None:
    rig, cache = make_rig(), make_cache()
    kv(rig).values[PLACE] = junk
    for _ in range(4):
        assert (await looked_up(rig, cache))[0] is None
    assert lookups(rig)["l2", "error"] == 4  # and its breaker stays closed: the store itself is well


async def test_an_answer_that_is_too_old_is_not_served_though_a_store_still_has_it() -> None:
    """KV is eventually consistent in its deletions, and R2 has no expiry of its own."""
    rig, cache = make_rig(), make_cache(stale_while_revalidate_seconds=0, stale_if_error_seconds=0)
    entry = await stored(rig, cache)
    rig.ports.clock.ns = entry.expires_ns - 1
    assert (await looked_up(rig, make_cache()))[0] == entry
    rig.ports.clock.ns = entry.expires_ns
    assert (await looked_up(rig, make_cache()))[0] is None
    assert lookups(rig)["l2", "expired"] == lookups(rig)["l3", "expired"] == 1


async def test_an_answer_too_large_for_memory_is_kept_below_only() -> None:
    rig, cache = make_rig(), make_cache(l1_bytes=4000)
    await stored(rig, cache, b"x" * 2000)
    assert rig.observed.total(WRITES, lumigate__cache__tier="l1", lumigate__cache__write="refused") == 1
    assert (await looked_up(rig, cache))[1] == "hit-l2"


async def test_an_answer_larger_than_the_route_keeps_is_not_written_below() -> None:
    rig, cache = make_rig(), make_cache(max_entry_bytes=1000)
    await stored(rig, cache, b"x" * 2000)
    assert kv(rig).values == blobs(rig).values == {}
    assert rig.observed.total(WRITES, lumigate__cache__write="refused") == 2


async def test_answers_that_leave_memory_are_counted_by_reason() -> None:
    rig, cache = make_rig(), make_cache(l1_bytes=4000)
    for number in range(10):
        asked = make_asked(rig, cache, f"{number:064}")
        cache.store(rig.scope, asked, make_entry(rig, asked, b"x" * 400))
    await rig.ports.background.run()
    evictions = "lumigate.cache.evictions"
    assert rig.observed.total(evictions, lumigate__cache__eviction="capacity") == 6
    rig.ports.clock.advance(61)
    await cache.lookup(rig.scope, make_asked(rig, cache, f"{9:064}"))
    assert rig.observed.total(evictions, lumigate__cache__eviction="expired") == 1


async def test_a_stale_answer_is_served_for_a_while_and_then_only_kept_for_errors() -> None:
    rig = make_rig()
    cache = make_cache(l1_ttl_seconds=5000, stale_while_revalidate_seconds=60, stale_if_error_seconds=600)
    entry = await stored(rig, cache)
    rig.ports.clock.advance(600)
    assert await looked_up(rig, cache) == (entry, "stale-l1")
    rig.ports.clock.advance(60)
    asked = make_asked(rig, cache)
    assert await cache.lookup(rig.scope, asked) is None
    assert asked.fallback is not None
    assert (asked.fallback.entry, asked.fallback.outcome) == (entry, "stale-l1")
    rig.ports.clock.advance(541)
    asked = make_asked(rig, cache)
    assert await cache.lookup(rig.scope, asked) is None
    assert asked.fallback is None


async def test_a_caller_who_names_an_age_gets_nothing_older_and_nothing_stale() -> None:
    rig, cache = make_rig(), make_cache()
    entry = await stored(rig, cache)
    rig.ports.clock.advance(30)
    young = make_asked(rig, cache, max_age_seconds=29)
    assert await cache.lookup(rig.scope, young) is None
    old_enough = await cache.lookup(rig.scope, make_asked(rig, cache, max_age_seconds=30))
    assert old_enough is not None
    assert old_enough.entry == entry
    rig.ports.clock.advance(570)
    assert await cache.lookup(rig.scope, make_asked(rig, cache, max_age_seconds=10_000)) is None


async def test_what_a_hit_saves_is_counted_by_model() -> None:
    rig, cache = make_rig(), make_cache()
    await stored(rig, cache)
    for _ in range(3):
        await looked_up(rig, cache)
    assert rig.observed.total("lumigate.cache.saved.tokens", gen_ai__request__model="m") == 9
    assert rig.observed.total("lumigate.cache.saved.cost", gen_ai__provider__name="openai") == 0.75


async def test_two_tenants_never_see_each_others_answers_in_any_tier() -> None:
    rig, cache = make_rig(), make_cache()
    await stored(rig, cache)
    for place in (cache, make_cache()):
        assert await place.lookup(rig.scope, make_asked(rig, place, tenant="umbrella")) is None
