from __future__ import annotations

from lumigate.cache.entry import Entry
from lumigate.cache.key import short_hash
from lumigate.cache.marks import ALL, EVERYONE, MODEL, TAG, PurgeMarks, mark_of, write_mark
from lumigate.cache.purge import Target, purge_stores
from tests.cache.rig import KEY, kv, make_asked, make_cache, make_entry, make_rig
from tests.fakes import ScopeUnderTest

SEEN = 30.0
PLACE = short_hash("t:acme")


def marks() -> PurgeMarks:
    return PurgeMarks(seen_seconds=SEEN, budget_ms=1000)


def entry_of(rig: ScopeUnderTest, **more: object) -> Entry:
    cache = make_cache()
    return make_entry(rig, make_asked(rig, cache, **more))  # type: ignore[arg-type]


async def test_a_mark_is_known_to_another_isolate_once_it_reads() -> None:
    rig, other = make_rig(), marks()
    entry = entry_of(rig, tags=("x",))
    await write_mark(rig.ports, "t:acme", mark_of(TAG, "x"), rig.ports.clock.ns, 600)
    assert not other.is_purged("t:acme", KEY, entry)
    assert await other.settle(rig.scope, "t:acme")
    assert other.is_purged("t:acme", KEY, entry)
    assert not other.is_purged("t:umbrella", KEY, entry)
    rig.ports.clock.advance(1)
    assert not other.is_purged("t:acme", KEY, entry_of(rig, tags=("x",)))


async def test_a_mark_for_everyone_holds_for_every_tenant() -> None:
    rig, known = make_rig(), marks()
    await write_mark(rig.ports, EVERYONE, mark_of(MODEL, "fast"), rig.ports.clock.ns, 600)
    await known.settle(rig.scope, "t:acme")
    assert known.is_purged("t:acme", KEY, entry_of(rig))
    assert not known.is_purged("t:acme", KEY, entry_of(rig, alias="slow"))


async def test_two_purges_at_once_do_not_undo_each_other() -> None:
    rig, known = make_rig(), marks()
    for tag in ("x", "y"):
        await write_mark(rig.ports, "t:acme", mark_of(TAG, tag), rig.ports.clock.ns, 600)
    await known.settle(rig.scope, "t:acme")
    for tag in ("x", "y"):
        assert known.is_purged("t:acme", KEY, entry_of(rig, tags=(tag,)))


async def test_marks_a_little_old_are_read_beside_the_request_and_older_ones_before_it_goes_on() -> None:
    rig, known = make_rig(), marks()
    await known.settle(rig.scope, "t:acme")
    entry = entry_of(rig)
    await write_mark(rig.ports, "t:acme", ALL, rig.ports.clock.ns, 6000)
    rig.ports.clock.advance(SEEN - 1)
    await known.settle(rig.scope, "t:acme")
    assert rig.ports.background.waiting == []
    rig.ports.clock.advance(1)
    await known.settle(rig.scope, "t:acme")
    assert not known.is_purged("t:acme", KEY, entry)
    await rig.ports.background.run()
    assert known.is_purged("t:acme", KEY, entry)
    await write_mark(rig.ports, "t:acme", mark_of(TAG, "x"), rig.ports.clock.ns, 6000)
    tagged = entry_of(rig, tags=("x",))
    rig.ports.clock.advance(2 * SEEN)
    await known.settle(rig.scope, "t:acme")
    assert known.is_purged("t:acme", KEY, tagged)


async def test_a_store_that_fails_leaves_what_was_known_and_is_not_asked_at_every_request() -> None:
    rig, known = make_rig(), marks()
    kv(rig).fault = OSError("down")
    assert not await known.settle(rig.scope, "t:acme")
    kv(rig).fault = None
    assert not await known.settle(rig.scope, "t:acme")  # not yet tried again
    rig.ports.clock.advance(5)
    assert await known.settle(rig.scope, "t:acme")


async def test_a_deployment_without_stores_has_nothing_to_read() -> None:
    rig = make_rig(key_value=None, blobs=None)
    assert await marks().settle(rig.scope, "t:acme")


async def test_a_deployment_without_kv_keeps_its_marks_in_r2() -> None:
    rig, known = make_rig(key_value=None), marks()
    await write_mark(rig.ports, "t:acme", ALL, rig.ports.clock.ns, 600)
    await known.settle(rig.scope, "t:acme")
    assert known.is_purged("t:acme", KEY, entry_of(rig))


async def test_more_marks_than_are_read_mean_that_everything_is_purged() -> None:
    """Too much is safe, too little is not."""
    rig, known = make_rig(), marks()
    now_ms = rig.ports.clock.ns // 1_000_000
    for number in range(10_050):
        kv(rig).values[f"purge/{PLACE}/tag-{number:05}/{now_ms:013d}"] = b"1"
    entry = entry_of(rig)
    rig.ports.clock.advance(1)
    await known.settle(rig.scope, "t:acme")
    assert known.is_purged("t:acme", KEY, entry)
    assert not known.is_purged("t:acme", KEY, entry_of(rig))


async def test_junk_among_the_marks_is_passed_over() -> None:
    rig, known = make_rig(), marks()
    for name in ("all/x", "all", "all/9999999999999999999", "/", "tag-1/-5"):
        kv(rig).values[f"purge/{PLACE}/{name}"] = b"1"
    assert await known.settle(rig.scope, "t:acme")
    assert not known.is_purged("t:acme", KEY, entry_of(rig))


async def test_a_purge_takes_out_what_was_asked_for_in_the_same_millisecond() -> None:
    """A mark is named by its millisecond, and on Workers many requests share one."""
    rig = make_rig()
    now_ns = rig.ports.clock.now_ns() // 1_000_000 * 1_000_000 + 700_000
    _, _, epoch_ns = await purge_stores(rig.ports, Target(kind=ALL), now_ns=now_ns, lifetime_seconds=100)
    assert epoch_ns >= now_ns
