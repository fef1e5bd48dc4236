from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lumigate.shard import Outbox, Reader, ShardSettings
from lumigate.telemetry.records import HistogramPoint
from tests.shard.deltas import (
    BOUNDS,
    HOUR,
    MINUTE,
    SECOND,
    START,
    EvictableShard,
    Key,
    bucketed,
    counter,
    gauge,
    histogram,
    points,
)

SETTINGS = ShardSettings(idle_ns=2 * HOUR, gauge_idle_ns=HOUR, max_isolates=4, series_per_metric=4)


class ShardMachine(RuleBasedStateMachine):
    """Two shards get the same; one is evicted and compacted at whim. A model of one line a rule is the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = START
        self.steady = EvictableShard(SETTINGS)
        self.evicted = EvictableShard(SETTINGS)
        self.outboxes = [Outbox(str(n)) for n in range(6)]
        self.sent: list[tuple[int, dict[str, str]]] = []
        self.content: dict[tuple[int, int], tuple[int, list[float]]] = {}
        self.accepted: set[tuple[int, int]] = set()
        self.shown: dict[tuple[Reader, Key, int], float] = {}

    @rule(
        isolate=st.integers(0, 5),
        amount=st.integers(0, 100),
        user=st.integers(0, 5),
        values=st.lists(st.sampled_from([0.0625, 0.25, 0.75, 4.0]), max_size=4),
    )
    def seal(self, isolate: int, amount: int, user: int, values: list[float]) -> None:
        outbox = self.outboxes[isolate]
        if not outbox.has_room:
            return
        outbox.seal([counter(amount, user=user), histogram(values), gauge(amount, self.now_ns)], self.now_ns)
        batch = outbox.due(self.now_ns)[-1]
        self.sent.append((isolate, batch.message()))
        self.content[isolate, batch.sequence] = (amount, values)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def push(self, data: st.DataObject) -> None:
        """Any batch ever sealed, in any order, any number of times; its answer may be lost."""
        isolate, message = data.draw(st.sampled_from(self.sent))
        sequence = int(message["batch"].split('"seq":')[1].split(",")[0])
        answers = [held.shard.push(message, self.now_ns) for held in (self.steady, self.evicted)]
        assert answers[0] == answers[1]
        if answers[0]["status"] == "stored":
            assert (isolate, sequence) not in self.accepted
            self.accepted.add((isolate, sequence))
        if data.draw(st.booleans()):
            self.outboxes[isolate].settle(sequence, answers[0])

    @rule(by_ns=st.sampled_from([SECOND, 30 * SECOND, 20 * MINUTE, HOUR, 2 * HOUR]))
    def wait(self, by_ns: int) -> None:
        self.now_ns += by_ns

    @rule(compact=st.booleans())
    def evict(self, compact: bool) -> None:
        if compact:
            self.evicted.shard.compact()
        self.evicted.evict()

    @rule(reader=st.sampled_from(Reader), acknowledged=st.booleans())
    def collect(self, reader: Reader, acknowledged: bool) -> None:
        """Both show the same; no counter falls within a start, and none begins elsewhere than at zero."""
        collections = [held.shard.collect(reader, self.now_ns) for held in (self.steady, self.evicted)]
        found = points(collections[0])
        assert found == points(collections[1])
        if acknowledged or reader is Reader.SCRAPE:
            for held, collection in zip((self.steady, self.evicted), collections, strict=True):
                held.shard.shown(collection)
        else:
            return
        for key, point in found.items():
            if key[0] == "level":
                continue
            value = point.count if isinstance(point, HistogramPoint) else point.value
            assert value >= self.shown.get((reader, key, point.start_ns), 0)
            if (reader, key, point.start_ns) not in self.shown:
                assert value == 0
            self.shown[reader, key, point.start_ns] = value

    @invariant()
    def totals_are_those_of_the_accepted_batches(self) -> None:
        """As long as nothing has expired, the sum over all series is the truth."""
        if self.now_ns - START > SETTINGS.idle_ns:
            return
        truth = [self.content[key] for key in self.accepted]
        state = self.evicted.shard._state
        for metric in state.metrics.values():
            if metric.schema.name == "requests":
                total = sum(series.columns()[4] for series in metric.series.values())
                assert total == sum(amount for amount, _ in truth)
            if metric.schema.name == "duration":
                pooled = [value for _, values in truth for value in values]
                (series,) = metric.series.values()
                assert series.columns()[4:] == (sum(pooled), bucketed(pooled, BOUNDS))

    @invariant()
    def memory_is_bounded(self) -> None:
        assert self.steady.shard.isolates <= SETTINGS.max_isolates
        assert self.steady.shard.series <= SETTINGS.series_per_metric + 2

    def teardown(self) -> None:
        self.steady.close()
        self.evicted.close()


ShardMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestShardMachine = ShardMachine.TestCase
