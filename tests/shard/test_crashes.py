import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from lumigate.shard import Outbox, Shard, ShardSettings, SqlStore, snapshot
from tests.shard.deltas import (
    MINUTE,
    SECOND,
    START,
    EvictableShard,
    PowerCut,
    counter,
    gauge,
    histogram,
    points,
    sealed,
    value,
)


def filled(held: EvictableShard) -> None:
    """Two compactions' worth of everything that is stored, the second not compacted yet."""
    for isolate in "ab":
        outbox = Outbox(isolate)
        for n in range(3):
            now_ns = START + n * SECOND
            held.push(sealed(outbox, now_ns, counter(n, n=n), histogram([n / 10]), gauge(n, now_ns)), now_ns)
            held.scrape(now_ns)
            held.export(now_ns)
        if isolate == "a":
            held.shard.compact()


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("moved_on", [False, True])
@pytest.mark.parametrize("statement", range(12))
def test_a_crash_anywhere_in_a_compaction_loses_nothing(
    statement: int, after_effect: bool, moved_on: bool
) -> None:
    """Whatever statement is the last, the state comes back, and the next compaction leaves nothing behind."""
    held = EvictableShard(ShardSettings(scrape_hold_ns=0))
    filled(held)
    before = points(held.shard.collect(*AT_LAST))
    held.power_fails_in, held.last_takes_effect = statement, after_effect
    small_chunks(held)
    held.evict()
    assert points(held.shard.collect(*AT_LAST)) == before
    if moved_on:
        held.push(sealed(Outbox("c"), START + MINUTE, counter(1)), START + MINUTE)
    after = points(held.shard.collect(*AT_LAST))
    held.shard.compact()
    held.evict()
    assert points(held.shard.collect(*AT_LAST)) == after
    if moved_on:  # else there may be nothing to compact, and what is left over waits for the next time
        assert held.execute("SELECT count(*) FROM shard_rows") == [(0,)]
        assert held.execute("SELECT count(DISTINCT position) FROM shard_chunks") == [(1,)]
    held.close()


AT_LAST: Any = ("push", START + MINUTE)


def small_chunks(held: EvictableShard) -> None:
    """A compaction in several chunks, so that there is something between its steps."""
    state = held.shard._state
    chunks = snapshot.dump(state, max_chars=200)
    assert len(chunks) > 3
    with suppress(PowerCut):
        SqlStore(held.execute).replace_snapshot(state.position, chunks)


def test_no_chunk_is_larger_than_a_row_may_be(held: EvictableShard) -> None:
    """One that is could never be stored: rows would pile up, and each start take longer."""
    quoted: dict[str, Any] = {f"label_{n}": '"' * 100 for n in range(10)}
    points = [point for n in range(1000) for point in counter(1, n=n, **quoted).points]
    outbox = Outbox("i")
    outbox.seal([replace(counter(1), points=points)], START)
    for batch in outbox.due(START):
        held.push(batch.message(), START)
    chunks = snapshot.dump(held.shard._state)
    assert sum(map(len, chunks)) > 2 * snapshot.MAX_CHUNK_CHARS
    assert max(map(len, chunks)) < 2 * snapshot.MAX_CHUNK_CHARS
    assert snapshot.dump(snapshot.load(chunks, ShardSettings())) == chunks


def test_a_snapshot_without_all_its_chunks_does_not_count(held: EvictableShard) -> None:
    """The one before it does, with the rows."""
    filled(held)
    chunks = snapshot.dump(held.shard._state, max_chars=200)
    for missing in range(len(chunks)):
        there = chunks[:missing] + chunks[missing + 1 :]
        assert snapshot.load(there, ShardSettings()).position == 0
    assert snapshot.load(reversed(chunks), ShardSettings()).position == held.shard._state.position


def test_a_snapshot_restores_all_but_exemplars(held: EvictableShard) -> None:
    """Another snapshot of what it restored is the same text."""
    filled(held)
    chunks = snapshot.dump(held.shard._state)
    assert snapshot.dump(snapshot.load(chunks, ShardSettings())) == chunks


def test_a_snapshot_of_newer_code_is_not_misread(held: EvictableShard) -> None:
    """After a rollback the shard does not start, isolates keep their batches, and nothing is overwritten."""
    filled(held)
    chunk = snapshot.dump(held.shard._state)[0]
    with pytest.raises(ValueError, match="version 2"):
        snapshot.load([chunk.replace("1 ", "2 ", 1)], ShardSettings())


def test_a_row_that_cannot_be_read_is_skipped_and_counted(held: EvictableShard) -> None:
    """One bad row does not keep a shard from starting."""
    held.push(sealed(Outbox("a"), START, counter(1)), START)
    held.execute(
        "INSERT INTO shard_rows VALUES (2, 'nonsense'), (3, 'batch 5\nnonsense'), (4, 'mark 5\n[1]')"
    )
    held.evict()
    assert held.shard.counts["rows_unreadable"] == 3
    assert held.push(sealed(Outbox("b"), START, counter(2)), START) == "stored"
    held.evict()
    held.export(START)
    assert value(held.export(START)) == 3


def test_many_rows_are_compacted_without_an_alarm() -> None:
    """The time a restore takes is bounded whatever the load."""
    held = EvictableShard(ShardSettings(compact_rows=10))
    outbox = Outbox("a")
    for n in range(25):
        held.push(sealed(outbox, START, counter(1)), START)
        outbox.settle(n + 1, {"status": "stored"})
    assert held.shard.rows == 5
    held.close()


def test_two_writers_of_one_table_are_told_apart(held: EvictableShard) -> None:
    """A shard that another has overtaken fails to store, and so acknowledges nothing."""
    other = held.opened()
    held.push(sealed(Outbox("a"), START, counter(1)), START)
    with pytest.raises(sqlite3.IntegrityError):
        other.push(sealed(Outbox("b"), START, counter(1)), START)


class _Nothing:
    def load(self) -> tuple[list[str], list[tuple[int, str]]]:
        return [], []

    def append(self, number: int, body: str) -> None: ...

    def replace_snapshot(self, position: int, chunks: Sequence[str]) -> None:
        raise AssertionError("nothing changed")


def test_nothing_new_is_not_compacted() -> None:
    """An alarm in an idle minute writes nothing."""
    shard = Shard.open(_Nothing())
    shard.compact()
    assert (shard.rows, shard.series) == (0, 0)
