"""The state of a shard: what its rows add up to. Pure: the same rows always give the same state.

A row is a batch, or a mark of what a reader was shown, with the instant it was taken in. Rows are numbered from 1
without gaps; `position` is the last one applied, and applying one again changes nothing. That is all there is to
recovery: a snapshot is the state at a position, and the rows after it bring it up to date.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

from lumigate.shard.decoding import BatchDecoder
from lumigate.shard.metric import MetricState
from lumigate.shard.readers import Reader, Seen
from lumigate.shard.seen import SeenBatches
from lumigate.shard.settings import ShardSettings
from lumigate.shard.wire import Batch, MetricDelta, Schema

type RowKind = Literal["batch", "mark"]
_SEPARATOR: Final = "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What must be stored before its effect may be seen by anybody."""

    number: int
    kind: RowKind
    at_ns: int
    body: str

    def to_text(self) -> str:
        """One text, so that a row of the table is one value: integers of 64 bits do not survive JavaScript."""
        return f"{self.kind} {self.at_ns}{_SEPARATOR}{self.body}"

    @classmethod
    def from_text(cls, number: int, text: str) -> Row:
        """Raises ValueError if the text is not a row."""
        head, separator, body = text.partition(_SEPARATOR)
        kind, _, at_ns = head.partition(" ")
        if not separator or kind not in {"batch", "mark"}:
            raise ValueError("not a row of a shard")
        return cls(number=number, kind="batch" if kind == "batch" else "mark", at_ns=int(at_ns), body=body)


class ShardState:
    """Totals by schema, what was counted, and what each reader has been shown."""

    __slots__ = (
        "births",
        "clock_ns",
        "counts",
        "decoder",
        "metrics",
        "position",
        "readers",
        "seen",
        "settings",
    )

    def __init__(self, settings: ShardSettings) -> None:
        self.settings = settings
        self.position = 0
        self.clock_ns = 0
        """The latest instant known. Time does not go backwards here, whatever the machine's clock does."""
        self.births = 0
        self.metrics: dict[str, MetricState] = {}
        """By the schema's text."""
        self.seen = SeenBatches(settings)
        self.readers = {Reader.PUSH: Seen(0), Reader.SCRAPE: Seen(settings.scrape_hold_ns)}
        self.decoder = BatchDecoder()
        self.counts: Counter[str] = Counter()
        """What went well and wrong since this object exists; not part of the state."""

    def time(self, now_ns: int) -> int:
        """`now_ns`, or the latest instant known if that is later."""
        return max(now_ns, self.clock_ns)

    def apply(self, row: Row, batch: Batch | None = None) -> None:
        """Take in a row. `batch` saves decoding it again. A row that cannot be read is skipped and counted."""
        if row.number <= self.position:
            return
        self.position = row.number
        self.clock_ns = now_ns = self.time(row.at_ns)
        try:
            if row.kind == "mark":
                reader, mark = json.loads(row.body)
                self.readers[Reader(reader)].apply(mark, now_ns)
                return
            batch = batch or self.decoder.decode(row.body)
            if self.seen.has(batch.isolate, batch.sequence):
                return
            self.seen.check_age(batch.sealed_ns, now_ns)
        except (ValueError, TypeError):  # a refusal is a ValueError
            self.counts["rows_unreadable"] += 1
            return
        self.seen.note(batch.isolate, batch.sequence, batch.sealed_ns, now_ns)
        for metric in batch.metrics:
            self._merge(metric, now_ns)

    def _merge(self, delta: MetricDelta, now_ns: int) -> None:
        metric = self._metric(delta.schema, now_ns)
        if metric is None:
            self.counts["points_dropped"] += len(delta.points)
            return
        metric.last_ns = now_ns
        metric.description = delta.description
        metric.scope_version = delta.scope_version
        bounds = delta.schema.bounds
        for point in delta.points:
            series, is_new = metric.find(point[0], self.births + 1, now_ns)
            if is_new:
                self.births += 1
            if series.key != point[0]:
                self.counts["points_overflowed"] += 1
            series.merge(point, now_ns, bounds)

    def _metric(self, schema: Schema, now_ns: int) -> MetricState | None:
        found = self.metrics.get(schema.text)
        if found is not None and self._is_live(found, now_ns):
            return found
        if found is None and len(self.metrics) >= self.settings.max_metrics:
            self.sweep(now_ns)
            if len(self.metrics) >= self.settings.max_metrics:
                return None
        same_name = [m for m in self.metrics.values() if m.schema.name == schema.name]
        for other in same_name:
            if not self._is_live(other, now_ns):
                del self.metrics[other.schema.text]
        taken = {m.generation for m in same_name if m.schema.text in self.metrics}
        generation = next(n for n in range(len(taken) + 1) if n not in taken)
        made = self.metrics[schema.text] = MetricState(schema, self.settings, generation)
        return made

    def _is_live(self, metric: MetricState, now_ns: int) -> bool:
        """Whether the metric has a series that has not expired. Nearly always answered by its last touch."""
        if now_ns - metric.last_ns <= min(self.settings.idle_ns, self.settings.gauge_idle_ns):
            return True
        metric.sweep(now_ns)
        return bool(metric.series)

    def sweep(self, now_ns: int) -> None:
        """Drop every expired series, and each metric that has none left."""
        for text, metric in list(self.metrics.items()):
            metric.sweep(now_ns)
            if not metric.series:
                del self.metrics[text]
