from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from local.runtime.blobs import SqliteBlobs
from local.runtime.data_points import SqliteDataPoints, check_point
from local.runtime.key_value import SqliteKeyValue
from local.runtime.rate_limit import FixedWindowRateLimit
from local.runtime.sqlite import LARGE_BYTES, Database
from tests.local.runtime.fixed_clock import FixedClock


async def test_a_value_is_there_until_it_expires(database: Database) -> None:
    clock = FixedClock()
    store = SqliteKeyValue(database, clock)
    await store.put("a", b"\x00one", ttl_seconds=60)
    clock.seconds += 59
    assert await store.get("a") == b"\x00one"
    clock.seconds += 1
    assert await store.get("a") is None


async def test_a_value_is_overwritten_and_deleted(database: Database) -> None:
    store = SqliteKeyValue(database, FixedClock())
    await store.put("a", b"1", ttl_seconds=60)
    await store.put("a", b"2", ttl_seconds=60)
    assert await store.get("a") == b"2"
    await store.delete("a")
    await store.delete("never there")
    assert await store.get("a") is None


async def test_names_are_listed_by_prefix_in_order_page_by_page(database: Database) -> None:
    clock = FixedClock()
    store = SqliteKeyValue(database, clock)
    wanted = [f"a:{number:02}" for number in range(7)] + ["a:ö"]
    for name in ["a", "a;", "b:1", "A:1", *reversed(wanted)]:
        await store.put(name, b"", ttl_seconds=120)
    await store.put("a:expired", b"", ttl_seconds=60)
    clock.seconds += 60
    pages, cursor = [], None
    while True:
        names, cursor = await store.names("a:", limit=3, cursor=cursor)
        pages.append(names)
        if cursor is None:
            break
    assert pages == [wanted[:3], wanted[3:6], wanted[6:]]
    assert await store.names("c:", limit=3, cursor=None) == ([], None)


async def test_values_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "kv.sqlite3"
    with Database(path) as first:
        await SqliteKeyValue(first, FixedClock()).put("a", b"kept", ttl_seconds=60)
        await SqliteBlobs(first, FixedClock()).put("b", b"kept too")
    with Database(path) as second:
        assert await SqliteKeyValue(second, FixedClock()).get("a") == b"kept"
        assert await SqliteBlobs(second, FixedClock()).get("b") == b"kept too"


async def test_large_values_are_stored_off_the_loop_and_read_back(database: Database) -> None:
    store = SqliteKeyValue(database, FixedClock())
    blobs = SqliteBlobs(database, FixedClock())
    large = bytes(range(256)) * (LARGE_BYTES // 128)
    await asyncio.gather(
        *(store.put(f"large-{n}", large + bytes([n]), ttl_seconds=60) for n in range(8)),
        *(store.put(f"small-{n}", b"s", ttl_seconds=60) for n in range(50)),
        blobs.put("large", large),
    )
    assert [await store.get(f"large-{n}") for n in range(8)] == [large + bytes([n]) for n in range(8)]
    assert await blobs.get("large") == large


async def test_expired_values_are_purged(database: Database) -> None:
    clock = FixedClock()
    store = SqliteKeyValue(database, clock)
    for number in range(499):
        await store.put(f"old-{number}", b"x", ttl_seconds=60)
    clock.seconds += 100
    await store.put("new", b"x", ttl_seconds=60)
    assert database.read("SELECT key FROM key_value") == [("new",)]


@pytest.mark.parametrize(
    ("key", "value", "ttl"),
    [
        ("", b"", 60),
        (".", b"", 60),
        ("é" * 257, b"", 60),
        ("k", b"", 59),
        ("k", bytes(25 * 1024 * 1024 + 1), 60),
    ],
)
async def test_what_kv_refuses_is_refused(database: Database, key: str, value: bytes, ttl: int) -> None:
    with pytest.raises(ValueError, match="KV"):
        await SqliteKeyValue(database, FixedClock()).put(key, value, ttl_seconds=ttl)


async def test_what_r2_refuses_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="R2"):
        await SqliteBlobs(database, FixedClock()).put("x" * 1025, b"")


def test_a_data_point_is_stored_under_analytics_engines_columns(database: Database) -> None:
    points = SqliteDataPoints(database, FixedClock(1_700_000_000.9))
    points.write(index="acme", blobs=["a", "ü"], doubles=[1.5, 2])
    rows = database.read(
        "SELECT timestamp, index1, _sample_interval, blob1, blob2, blob3, blob20, double1, double2, double3"
        " FROM data_points"
    )
    assert rows == [(1_700_000_000, "acme", 1, "a", "ü", "", "", 1.5, 2.0, 0.0)]


@pytest.mark.parametrize(
    ("index", "blobs", "doubles", "limit"),
    [
        ("é" * 48 + "x", [], [], "96"),
        ("i", [""] * 21, [], "20"),
        ("i", ["é" * 4000, "é" * 4000, "x"], [], "16000"),
        ("i", [], [0.0] * 21, "20"),
        ("i", [], [float("nan")], "finite"),
    ],
)
def test_a_data_point_over_a_limit_is_refused(
    index: str, blobs: list[str], doubles: list[float], limit: str
) -> None:
    with pytest.raises(ValueError, match=limit):
        check_point(index=index, blobs=blobs, doubles=doubles)


def test_a_data_point_at_every_limit_is_stored(database: Database) -> None:
    SqliteDataPoints(database, FixedClock()).write(index="é" * 48, blobs=["x" * 800] * 20, doubles=[1.0] * 20)
    assert database.read("SELECT count(*) FROM data_points") == [(1,)]


def test_points_older_than_three_months_are_forgotten(database: Database) -> None:
    clock = FixedClock()
    SqliteDataPoints(database, clock).write(index="old", blobs=[], doubles=[])
    clock.seconds += 93 * 86_400
    SqliteDataPoints(database, clock).write(index="new", blobs=[], doubles=[])
    assert database.read("SELECT index1 FROM data_points") == [("new",)]


async def test_the_rate_limit_counts_each_key_in_fixed_windows() -> None:
    clock = FixedClock(1_700_000_000)
    limit = FixedWindowRateLimit(clock, limit=2, period_seconds=10)
    assert [await limit.allow("a") for _ in range(3)] == [True, True, False]
    assert await limit.allow("b")
    clock.seconds += 9.9
    assert not await limit.allow("a")
    clock.seconds += 0.1
    assert await limit.allow("a")


def test_the_rate_limit_knows_the_bindings_periods_only() -> None:
    with pytest.raises(ValueError, match="10 and 60"):
        FixedWindowRateLimit(FixedClock(), limit=1, period_seconds=30)  # type: ignore[arg-type]
