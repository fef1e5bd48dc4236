from itertools import permutations

from lumigate.shard import GENERATION, Outbox, ShardSettings
from lumigate.telemetry.records import Exemplar, HistogramPoint, NumberPoint
from tests.shard.deltas import (
    HOUR,
    MINUTE,
    SECOND,
    START,
    EvictableShard,
    counter,
    gauge,
    histogram,
    points,
    sealed,
    value,
)


def settled(held: EvictableShard, now_ns: int = START + MINUTE) -> dict[str, HistogramPoint]:
    """The histograms by name, zeros at birth done with."""
    held.export(now_ns)
    found = points(held.export(now_ns))
    return {name: point for (name, _), point in found.items() if isinstance(point, HistogramPoint)}


def exemplar(number: float, time_ns: int, trace_id: int) -> Exemplar:
    return Exemplar(value=number, time_ns=time_ns, trace_id=trace_id, span_id=1)


def test_histograms_add_up_bucket_by_bucket(held: EvictableShard) -> None:
    """Counts, sum and count are those of all values together."""
    held.push(sealed(Outbox("a"), START, histogram([0.05, 0.2, 5.0])), START)
    held.push(sealed(Outbox("b"), START, histogram([0.1, 0.75])), START)
    merged = settled(held)["duration"]
    assert list(merged.bucket_counts) == [2, 1, 1, 1]
    assert (merged.count, merged.sum, merged.bounds) == (5, 6.1, (0.1, 0.5, 1.0))


def test_each_bucket_keeps_its_latest_exemplar(held: EvictableShard) -> None:
    """A slow request's exemplar is not pushed out by many fast ones."""
    slow, fast = exemplar(5.0, START, 1), [exemplar(0.05, START + n, 2 + n) for n in range(20)]
    held.push(sealed(Outbox("a"), START, histogram([5.0], exemplars=[slow])), START)
    held.push(sealed(Outbox("b"), START, histogram([0.05] * 20, exemplars=fast[::-1])), START)
    kept = settled(held)["duration"].exemplars
    assert sorted(one.trace_id for one in kept) == [1, 21]


def test_a_gauge_is_the_latest_value_in_whatever_order_they_come() -> None:
    """By the time it was measured; of two at once the larger."""
    seen = set()
    for order in permutations([gauge(1, START), gauge(7, START + 1), gauge(3, START + 1)]):
        held = EvictableShard()
        for n, metric in enumerate(order):
            held.push(sealed(Outbox(str(n)), START + SECOND, metric), START + SECOND)
        seen.add(value(held.export(START + SECOND), "level"))
        held.close()
    assert seen == {7}


def test_a_gauge_from_the_future_does_not_stay_for_ever(held: EvictableShard) -> None:
    """Its time is cut to the moment it arrived."""
    held.push(sealed(Outbox("a"), START, gauge(1, START + HOUR)), START)
    held.push(sealed(Outbox("b"), START, gauge(2, START + SECOND)), START + SECOND)
    assert value(held.export(START + SECOND), "level") == 2


def test_integers_stay_integers(held: EvictableShard) -> None:
    """No rounding, however large the total."""
    held.push(sealed(Outbox("a"), START, counter(2**60)), START)
    held.push(sealed(Outbox("b"), START, counter(1)), START)
    held.shard.compact()
    held.evict()
    held.export(START)
    assert value(held.export(START)) == 2**60 + 1


def test_equal_looking_attributes_of_other_types_are_other_series(held: EvictableShard) -> None:
    """200, 200.0, "200" and true are four sets, as in OpenTelemetry."""
    outbox = Outbox("a")
    for code in (1, 1.0, "1", True):
        held.push(sealed(outbox, START, counter(1, code=code)), START)
    assert held.shard.series == 4


def test_series_beyond_the_cap_share_the_overflow() -> None:
    """The cap holds, the sum of all series is still right, and the overflow is counted."""
    held = EvictableShard(ShardSettings(series_per_metric=5))
    outbox = Outbox("a")
    for n in range(20):
        held.push(sealed(outbox, START, counter(1, user=n)), START)
        outbox.settle(n + 1, {"status": "stored"})
    held.export(START)
    after = held.export(START)
    found = {
        attributes: p.value for (_, attributes), p in points(after).items() if isinstance(p, NumberPoint)
    }
    own = {(("user", n),): 1 for n in range(4)}
    assert found == {**own, (("otel.metric.overflow", True),): 16}
    assert held.shard.counts["points_overflowed"] == 16
    held.close()


def test_room_that_idle_series_leave_is_used_again() -> None:
    """The cap counts living series only."""
    held = EvictableShard(ShardSettings(series_per_metric=3))
    idle_ns = ShardSettings().idle_ns
    later = START + idle_ns + SECOND
    for n, now_ns in enumerate((START, START + idle_ns // 2)):
        held.push(sealed(Outbox(str(n)), now_ns, counter(1, user=n)), now_ns)
    held.push(sealed(Outbox("y"), later - MINUTE, counter(1, user=1)), later - MINUTE)
    held.push(sealed(Outbox("z"), later, counter(1, user="new")), later)
    held.export(later)
    after = held.export(later)
    assert (value(after, user="new"), value(after, user=1), value(after, user=0)) == (1, 2, None)
    held.close()


def test_metrics_beyond_the_cap_are_dropped_and_counted() -> None:
    """The rest of the batch counts."""
    held = EvictableShard(ShardSettings(max_metrics=2))
    many = [counter(1, f"metric.{n}") for n in range(5)]
    assert held.push(sealed(Outbox("a"), START, *many), START) == "stored"
    assert [metric.name for metric in held.export(START).metrics] == ["metric.0", "metric.1"]
    assert held.shard.counts["points_dropped"] == 3
    held.close()


def test_new_buckets_start_new_series_beside_the_old(held: EvictableShard) -> None:
    """During a rollout both count exactly; the newer schema's series carry an attribute, the first one's do not."""
    for n in range(3):
        held.push(sealed(Outbox(f"old {n}"), START, histogram([0.2])), START)
        held.push(sealed(Outbox(f"new {n}"), START, histogram([0.2, 0.3], bounds=(0.25, 1.0))), START)
    held.export(START)
    found = points(held.export(START))
    old, new = found["duration", ()], found["duration", ((GENERATION, 1),)]
    assert isinstance(old, HistogramPoint)
    assert isinstance(new, HistogramPoint)
    assert (old.bounds, list(old.bucket_counts)) == ((0.1, 0.5, 1.0), [0, 3, 0, 0])
    assert (new.bounds, list(new.bucket_counts)) == ((0.25, 1.0), [3, 3, 0])


def test_a_rollback_goes_on_where_the_old_series_stopped(held: EvictableShard) -> None:
    """Nothing is folded and nothing dropped, so returning to the old buckets costs nothing."""
    for n, bounds in enumerate([(0.5,), (0.25,), (0.5,)]):
        held.push(sealed(Outbox(str(n)), START, histogram([0.1], bounds=bounds)), START)
    held.export(START)
    found = points(held.export(START))
    assert {key: p.count for (_, key), p in found.items() if isinstance(p, HistogramPoint)} == {
        (): 2,
        ((GENERATION, 1),): 1,
    }


def test_a_generation_that_expired_is_free_again(held: EvictableShard) -> None:
    """Numbers do not grow with the deploys of a year."""
    now_ns = START
    for n in range(4):
        held.push(sealed(Outbox(str(n)), now_ns, histogram([0.1], bounds=(0.5 + n,))), now_ns)
        now_ns += ShardSettings().idle_ns // 2 + MINUTE
    generations = [dict(attributes).get(GENERATION, 0) for _, attributes in points(held.export(now_ns))]
    assert generations == [1]


def test_a_changed_unit_or_kind_is_another_schema_and_a_description_is_not(held: EvictableShard) -> None:
    """What makes numbers add up wrongly separates; what explains them does not."""
    outbox = Outbox("a")
    held.push(sealed(outbox, START, counter(1)), START)
    held.push(sealed(outbox, START, counter(1, unit="By")), START)
    held.push(sealed(outbox, START, counter(1, monotonic=False)), START)
    renamed = counter(1)
    object.__setattr__(renamed, "description", "Requests, in other words.")
    held.push(sealed(outbox, START, renamed), START)
    collected = held.export(START).metrics
    assert [(m.unit, m.monotonic, len(m.points)) for m in collected] == [
        ("{request}", True, 1),
        ("By", True, 1),
        ("{request}", False, 1),
    ]
    assert collected[0].description == "Requests, in other words."


def test_a_shard_counts_what_it_does(held: EvictableShard) -> None:
    """Its own counts are metrics like any other: born at zero, kept through eviction, exact."""
    message = sealed(Outbox("a"), START, counter(1))
    for _ in range(3):
        held.push(message, START)
    held.push({"batch": "nonsense"}, START)
    for n in range(3):
        held.shard.report(START + n)
        held.shard.report(START + n)
        held.evict()
        held.push(message, START)
    held.export(START + MINUTE)
    after = held.export(START + MINUTE)
    name = "lumigate.shard.batches"
    assert [value(after, name, result=r) for r in ("stored", "duplicate", "malformed")] == [1, 4, 1]
    assert value(after, "lumigate.shard.series") == 6
