from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.runtime.key_value import SqliteKeyValue
from local.runtime.sqlite import LARGE_BYTES, Database
from tests.local.runtime.fixed_clock import FixedClock

_PUT = "INSERT OR REPLACE INTO blobs (key, value, stored_ns) VALUES (?, ?, 0)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.sqlite3"


@pytest.fixture
def opened(path: Path) -> Iterator[Database]:
    with Database(path) as database:
        yield database


def committed_keys(path: Path) -> set[str]:
    """What another process would see."""
    connection = sqlite3.connect(path)
    try:
        return {key for (key,) in connection.execute("SELECT key FROM blobs UNION SELECT key FROM key_value")}
    finally:
        connection.close()


async def test_what_is_written_soon_is_read_at_once_and_committed_a_little_later(
    opened: Database, path: Path
) -> None:
    for key in ("a", "b"):
        opened.write_soon(_PUT, (key, b"1"))
    assert len(opened.read("SELECT key FROM blobs")) == 2
    assert committed_keys(path) == set()
    await opened.committed()
    assert committed_keys(path) == {"a", "b"}
    await opened.committed()  # nothing is left to wait for


async def test_a_statement_written_now_takes_with_it_what_was_written_soon(
    opened: Database, path: Path
) -> None:
    opened.write_soon(_PUT, ("soon", b"1"))
    opened.write(_PUT, ("now", b"1"))
    assert committed_keys(path) == {"soon", "now"}


async def test_a_large_value_does_not_wait_behind_what_was_written_soon(opened: Database, path: Path) -> None:
    opened.write_soon(_PUT, ("soon", b"1"))
    await opened.write_large(_PUT, ("large", bytes(LARGE_BYTES + 1)), size=LARGE_BYTES + 1)
    assert committed_keys(path) == {"soon", "large"}


async def test_without_an_event_loop_or_at_the_end_everything_is_committed(path: Path) -> None:
    with Database(path) as database:
        await asyncio.to_thread(_write_on_another_thread, path)
        database.write_soon(_PUT, ("last", b"1"))
    assert committed_keys(path) == {"no loop", "last"}


def _write_on_another_thread(path: Path) -> None:
    with Database(path) as database:
        database.write_soon(_PUT, ("no loop", b"1"))
        assert committed_keys(path) == {"no loop"}


async def test_a_put_is_acknowledged_when_it_is_committed_and_puts_share_a_commit(
    opened: Database, path: Path
) -> None:
    store = SqliteKeyValue(opened, FixedClock())
    putting = [asyncio.create_task(store.put(key, b"1", ttl_seconds=60)) for key in "abc"]
    await asyncio.sleep(0)
    assert committed_keys(path) == set()
    await asyncio.gather(*putting)
    assert committed_keys(path) == {"a", "b", "c"}


async def test_a_commit_that_fails_fails_those_who_wait_for_it_and_nobody_after(
    opened: Database, path: Path
) -> None:
    for statement in (
        "PRAGMA foreign_keys = ON",
        "CREATE TABLE child (parent TEXT REFERENCES blobs (key) DEFERRABLE INITIALLY DEFERRED)",
    ):
        opened.write(statement)
    opened.write_soon(_PUT, ("lost", b"1"))
    opened.write_soon("INSERT INTO child VALUES (?)", ("nobody",))
    waiting = asyncio.create_task(opened.committed())
    await asyncio.sleep(0)
    with pytest.raises(sqlite3.IntegrityError):
        opened.commit()
    with pytest.raises(sqlite3.IntegrityError):
        await waiting
    opened.write_soon(_PUT, ("next", b"1"))
    await opened.committed()
    assert committed_keys(path) == {"next"}


async def test_a_waiter_that_is_cancelled_takes_nobody_with_it(opened: Database, path: Path) -> None:
    opened.write_soon(_PUT, ("a", b"1"))
    one, other = asyncio.create_task(opened.committed()), asyncio.create_task(opened.committed())
    await asyncio.sleep(0)
    one.cancel()
    await other
    assert committed_keys(path) == {"a"}
