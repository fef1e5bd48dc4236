"""The counter shard: the single logical writer of the service's metrics, as its Durable Object holds it.

It stores before it acknowledges and before it shows: every change is a row, stored first and applied then. So whatever
instant it is evicted at, what anybody was told remains true.

    shard = Shard.open(SqlStore(execute), settings)   # on start: snapshot and rows
    answer = shard.push(batch, now_ns)                # on push: the answer goes back to the isolate
    collection = shard.collect(Reader.SCRAPE, now_ns) # on scrape
    shard.shown(collection)                           # ... before the answer leaves
    shard.report(now_ns); ...; shard.compact()        # on the alarm, around an export
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, Self

from lumigate.shard import snapshot
from lumigate.shard.collecting import Collection, collected
from lumigate.shard.encoding import encode_batches
from lumigate.shard.readers import Reader
from lumigate.shard.self_metrics import self_deltas
from lumigate.shard.settings import ShardSettings
from lumigate.shard.state import Row, RowKind, ShardState
from lumigate.shard.store import ShardStore
from lumigate.shard.wire import Batch, BatchRefused

_SELF: Final = "shard"
"""The name under which a shard pushes to itself."""


class Shard:
    """A shard's state with its storage. All of it is synchronous: nothing comes between storing and applying."""

    __slots__ = ("_reported", "_state", "_store", "_stored_position")

    def __init__(self, state: ShardState, store: ShardStore, stored_position: int) -> None:
        self._state = state
        self._store = store
        self._stored_position = stored_position
        self._reported: Counter[str] = Counter()

    @classmethod
    def open(cls, store: ShardStore, settings: ShardSettings | None = None) -> Self:
        """The shard as its storage has it: newest complete snapshot, and the rows after it."""
        chunks, rows = store.load()
        state = snapshot.load(chunks, settings or ShardSettings())
        stored_position = state.position
        for number, text in rows:
            try:
                row = Row.from_text(number, text)
            except ValueError:
                state.counts["rows_unreadable"] += 1
                state.position = max(state.position, number)
            else:
                state.apply(row)
        return cls(state, store, stored_position)

    def push(self, batch: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
        """Take in `{"batch": text}`, store it, and say what became of it.

        `{"status": "stored" | "duplicate" | "refused", "reason": text, "retry": flag}`: only with `retry`, or if this
        raises, which it does when storing fails, should the isolate send it again.
        """
        state = self._state
        now_ns = state.time(now_ns)
        try:
            decoded = state.decoder.decode(batch.get("batch"))
            if state.seen.has(decoded.isolate, decoded.sequence):
                state.counts["batches_duplicate"] += 1
                return {"status": "duplicate", "reason": "", "retry": False}
            state.seen.check_age(decoded.sealed_ns, now_ns)
        except BatchRefused as refused:
            state.counts[f"batches_refused_{refused.reason}"] += 1
            return {"status": "refused", "reason": str(refused), "retry": refused.retry}
        self._write("batch", now_ns, batch["batch"], decoded)
        state.counts["batches_stored"] += 1
        if self.rows >= state.settings.compact_rows:
            self.compact()
        return {"status": "stored", "reason": "", "retry": False}

    def collect(self, reader: Reader, now_ns: int) -> Collection:
        """The totals as that reader may see them now. Changes nothing: see `shown`."""
        state = self._state
        # what expires for this reader must stay expired for a batch that comes next, whatever the machine's clock does
        state.clock_ns = now_ns = state.time(now_ns)
        seen = state.readers[reader]
        mark = seen.mark(state.births, now_ns)
        revealed = seen.revealed_at(now_ns)
        state.sweep(now_ns)
        metrics = [collected(metric, revealed, now_ns) for metric in state.metrics.values()]
        return Collection(
            metrics=[metric for metric in metrics if metric is not None],
            mark=None if mark is None else json.dumps([reader, mark]),
            at_ns=now_ns,
        )

    def shown(self, collection: Collection) -> None:
        """For a scrape: call before the answer leaves. For an export: call once it was acknowledged, else never."""
        if collection.mark is not None:
            self._write("mark", collection.at_ns, collection.mark)

    def report(self, now_ns: int) -> None:
        """Count what the shard did since the last report among its metrics. Call on the alarm, before `collect`."""
        state = self._state
        now_ns = state.time(now_ns)
        deltas = self_deltas(
            state.counts - self._reported, series=self.series, isolates=self.isolates, now_ns=now_ns
        )
        if not deltas:
            return
        self._reported = state.counts.copy()
        # the row's number is a sequence number that no earlier life of this shard can have used
        encoded = encode_batches(deltas, isolate=_SELF, first_sequence=state.position + 1, sealed_ns=now_ns)
        for text in encoded.texts:
            self._write("batch", now_ns, text)

    def compact(self) -> None:
        """Turn the rows into a snapshot. A crash inside it loses nothing, and the next one cleans up after it."""
        state = self._state
        if state.position == self._stored_position:
            return
        state.sweep(state.clock_ns)
        self._store.replace_snapshot(state.position, snapshot.dump(state))
        self._stored_position = state.position

    @property
    def rows(self) -> int:
        """Rows since the last snapshot: worth compacting early when there are many."""
        return self._state.position - self._stored_position

    @property
    def series(self) -> int:
        """Series held. With none, and no rows, the alarm need not be set again."""
        return sum(len(metric.series) for metric in self._state.metrics.values())

    @property
    def isolates(self) -> int:
        """Isolates remembered."""
        return len(self._state.seen)

    @property
    def counts(self) -> Mapping[str, int]:
        """Batches stored, duplicate and refused by reason, points dropped and overflowed, since it was opened."""
        return self._state.counts

    def _write(self, kind: RowKind, at_ns: int, body: str, batch: Batch | None = None) -> None:
        row = Row(number=self._state.position + 1, kind=kind, at_ns=at_ns, body=body)
        self._store.append(row.number, row.to_text())
        self._state.apply(row, batch)
