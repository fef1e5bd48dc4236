"""500 isolates over hours, a network that loses, repeats, delays and reorders, shards that die between any two steps.

The truth is kept beside it: a batch counts if a copy of it ever reached its shard. What a scraper and an exporter make
of what they are shown, each by the rules of `increase()`, must be the truth to the last unit.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import accumulate, count

import pytest

from lumigate.shard import Collection, Outbox, Reader, ShardSettings, shard_index, shard_names
from lumigate.telemetry.records import HistogramPoint
from tests.shard.deltas import (
    HOUR,
    MINUTE,
    SECOND,
    START,
    EvictableShard,
    PowerCut,
    bucketed,
    counter,
    gauge,
    histogram,
    points,
)

ISOLATES = 500
DURATION = 5 * HOUR
SETTINGS = ShardSettings(idle_ns=20 * MINUTE, isolate_idle_ns=HOUR, compact_rows=1 << 30)
BOUNDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
ROUTES = ("/v1/chat/completions", "/v1/models", "/health")
type SeriesName = tuple[str, str]


class Observer:
    """Keeps what a backend would make of the samples it got: the increase of every series, resets understood."""

    def __init__(self) -> None:
        self.increase: Counter[tuple[str, object, object]] = Counter()
        self.rebirths = 0
        self._last: dict[object, tuple[int, float]] = {}

    def see(self, shard: str, collection: Collection) -> None:
        for (name, attributes), point in points(collection).items():
            if isinstance(point, HistogramPoint):
                for bucket, cumulative in enumerate(accumulate(point.bucket_counts)):
                    self._sample(shard, name, attributes, bucket, point.start_ns, cumulative)
            elif point.start_ns:  # no gauge
                self._sample(shard, name, attributes, None, point.start_ns, point.value)

    def _sample(
        self, shard: str, name: str, attributes: object, bucket: int | None, start_ns: int, value: float
    ) -> None:
        key = (shard, name, attributes, bucket)
        before = self._last.get(key)
        self._last[key] = (start_ns, value)
        if before is None:
            return  # to Prometheus, a series' first sample is no increase
        assert start_ns >= before[0]
        self.rebirths += start_ns > before[0]
        assert value >= before[1] or start_ns > before[0], "a counter went down within a start time"
        # exactly Prometheus' rule, which knows no start times
        self.increase[name, attributes, bucket] += int(value - before[1] if value >= before[1] else value)


class World:
    """Everything that happens, in the order of its time."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now_ns = START
        self._order = count()
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self.shards = {name: EvictableShard(SETTINGS) for name in shard_names(3)}
        self.delivered: set[tuple[str, int]] = set()
        self.truth: Counter[tuple[str, object]] = Counter()
        self.values: dict[tuple[str, object], list[float]] = defaultdict(list)
        self.observers = {reader: Observer() for reader in Reader}
        self.evictions = 0
        self.statuses: Counter[str] = Counter()

    def at(self, time_ns: int, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time_ns, next(self._order), happens))

    def run(self) -> None:
        while self._events:
            self.now_ns, _, happens = heapq.heappop(self._events)
            happens()

    def in_shard[T](self, name: str, does: Callable[[EvictableShard], T]) -> T:
        """Do it in that shard, which may have been evicted just before, or may lose power anywhere inside."""
        held = self.shards[name]
        if self.chance.random() < 0.02:
            self.evictions += 1
            held.evict()
        if self.chance.random() < 0.04:
            held.power_fails_in = self.chance.randrange(4)
            held.last_takes_effect = self.chance.random() < 0.5
        try:
            return does(held)
        except PowerCut:
            self.evictions += 1
            held.evict()
            raise
        finally:
            held.power_fails_in = None

    def scrape(self, name: str) -> None:
        """One whose answer is lost now and then, after the shard has done its part."""

        def scraped(held: EvictableShard) -> Collection:
            collection = held.shard.collect(Reader.SCRAPE, self.now_ns)
            held.shard.shown(collection)
            return collection

        with suppress(PowerCut):
            collection = self.in_shard(name, scraped)
            if self.chance.random() < 0.95:
                self.observers[Reader.SCRAPE].see(name, collection)

    def export(self, name: str) -> None:
        """One that fails, or whose acknowledgement is lost, or after which the shard dies before noting it."""

        def exported(held: EvictableShard) -> None:
            collection = held.shard.collect(Reader.PUSH, self.now_ns)
            if self.chance.random() < 0.05:
                return
            self.observers[Reader.PUSH].see(name, collection)
            if self.chance.random() < 0.95:
                held.shard.shown(collection)

        with suppress(PowerCut):
            self.in_shard(name, exported)

    def rows_in(self, name: str) -> int:
        """How many are stored, by the database's own word."""
        ((rows,),) = self.shards[name].database.execute("SELECT count(*) FROM shard_rows")
        return int(rows)

    def give_birth(self, shards: int) -> None:
        Isolate(self, shards).flush()

    def compact(self, name: str) -> None:
        with suppress(PowerCut):  # the next alarm does it
            self.in_shard(name, lambda held: held.shard.compact())


class Isolate:
    """Counts, seals, sends and sends again, until it dies with whatever it had not delivered."""

    def __init__(self, world: World, shards: int) -> None:
        self.world = world
        identity = f"{world.chance.getrandbits(128):032x}"
        self.outbox = Outbox(identity)
        self.shard = shard_names(shards)[shard_index(identity, shards)]
        self.contents: dict[int, list[tuple[SeriesName, int, list[float]]]] = {}
        self.dies_ns = world.now_ns + min(HOUR, int(world.chance.expovariate(1 / (25 * MINUTE))))

    def flush(self) -> None:
        world, chance = self.world, self.world.chance
        if world.now_ns > self.dies_ns:
            return
        if self.outbox.has_room and chance.random() < 0.9:
            self._seal()
        for batch in self.outbox.due(world.now_ns):
            for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 2))):
                is_slow = chance.random() < 0.1
                delay_ns = chance.randrange(20 * MINUTE) if is_slow else int(chance.expovariate(1 / SECOND))
                arrive = partial(self._arrive, batch.sequence, batch.message())
                world.at(world.now_ns + delay_ns, arrive)
        world.at(world.now_ns + chance.randrange(10 * SECOND, 90 * SECOND), self.flush)

    def _seal(self) -> None:
        chance, now_ns = self.world.chance, self.world.now_ns
        content: list[tuple[SeriesName, int, list[float]]] = []
        # a route that is rare is idle for long, and is born again
        for route in chance.sample(ROUTES, k=chance.randint(1, 2)) + (
            ["/rare"] if chance.random() < 0.004 else []
        ):
            values = [
                chance.choice((0.0625, 0.1875, 0.375, 0.75, 1.5, 3.0, 9.0))
                for _ in range(chance.randint(1, 5))
            ]
            content.append((("http.route", route), len(values), values))
        metrics = [gauge(chance.random(), now_ns)]
        for (key, route), amount, values in content:
            metrics.append(counter(amount, **{key: route}))  # type: ignore[arg-type]
            metrics.append(histogram(values, bounds=BOUNDS, **{key: route}))  # type: ignore[arg-type]
        self.outbox.seal(metrics, now_ns)
        self.contents[self.outbox.due(now_ns)[-1].sequence] = content

    def _arrive(self, sequence: int, message: dict[str, str]) -> None:
        world = self.world
        key = (self.outbox.isolate, sequence)
        rows = world.rows_in(self.shard)
        try:
            answer = world.in_shard(self.shard, lambda held: held.shard.push(message, world.now_ns))
        except PowerCut:
            answer = {"status": "no answer"}
        world.statuses[answer["status"]] += 1
        assert answer["status"] != "refused"
        if world.rows_in(self.shard) > rows:
            assert answer["status"] in {"stored", "no answer"}
            assert key not in world.delivered
            world.delivered.add(key)
            for attribute, amount, values in self.contents[sequence]:
                world.truth["requests", (attribute,)] += amount
                world.values["duration", (attribute,)] += values
        elif answer["status"] != "no answer":
            assert answer["status"] == "duplicate"
            assert key in world.delivered
        if world.chance.random() < 0.85:
            self.outbox.settle(sequence, answer)


@pytest.fixture(params=[1, 2])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    world = World(request.param)
    yield world
    for held in world.shards.values():
        held.close()


def test_totals_are_the_truth_whatever_happens_on_the_way(world: World) -> None:
    """Per series and per bucket, for a scraper and for an exporter, over births, deaths, crashes and expiry."""
    for n in range(ISOLATES):
        # the shard count is raised in the middle, and lowered again: isolates keep to their shard
        shards = 2 if n < ISOLATES // 3 else 3 if n < 2 * ISOLATES // 3 else 1
        world.at(START + n * DURATION // ISOLATES, partial(world.give_birth, shards))
    for number, name in enumerate(world.shards):
        for at_ns in range(START + number, START + DURATION + 2 * HOUR, 15 * SECOND):
            world.at(at_ns, partial(world.scrape, name))
        for at_ns in range(START + number + SECOND, START + DURATION + 2 * HOUR, MINUTE):
            world.at(at_ns, partial(world.export, name))
            world.at(at_ns + SECOND, partial(world.compact, name))
    world.run()
    assert world.evictions > 200
    assert min(world.statuses["duplicate"], world.statuses["no answer"], world.statuses["stored"]) > 50
    assert all(observer.rebirths > 10 for observer in world.observers.values())

    for reader, observer in world.observers.items():
        totals = {(name, key): n for (name, key, bucket), n in observer.increase.items() if bucket is None}
        assert {key: n for key, n in totals.items() if n} == dict(world.truth), reader
        for (name, attributes), values in list(world.values.items()):
            pooled = list(accumulate(bucketed(values, BOUNDS)))
            merged = [observer.increase[name, attributes, bucket] for bucket in range(len(BOUNDS) + 1)]
            assert merged == pooled
            for share in (0.5, 0.9, 0.99):
                assert quantile(share, merged) == quantile(share, pooled)
                low, high = bucket_of(sorted(values)[max(0, -int(-share * len(values) // 1) - 1)])
                assert low <= quantile(share, merged) <= high


def quantile(share: float, cumulative: list[int]) -> float:
    """`histogram_quantile`: linear inside the bucket, the last finite bound above it."""
    rank = share * cumulative[-1]
    bucket = next(n for n, total in enumerate(cumulative) if total >= rank)
    if bucket == len(BOUNDS):
        return BOUNDS[-1]
    low = BOUNDS[bucket - 1] if bucket else 0.0
    before = cumulative[bucket - 1] if bucket else 0
    return low + (BOUNDS[bucket] - low) * (rank - before) / (cumulative[bucket] - before)


def bucket_of(value: float) -> tuple[float, float]:
    edges = (0.0, *BOUNDS)
    low = max(edge for edge in edges if edge < value)
    return low, next((edge for edge in edges if edge >= value), low)
