"""Instruments by declaration and by OpenTelemetry's API, what they add up to, and what each reader gets."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.metrics import CallbackOptions, Observation

from lumigate.telemetry import MisuseError
from lumigate.telemetry.records import CUMULATIVE, DELTA, HistogramPoint, MetricData, NumberPoint
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric
from tests.telemetry.fakes import NOON, SECOND, Rig, make_rig

OUTCOME = Attribute(key="outcome", description="", values=frozenset({"hit", "miss"}))
ROUTE = Attribute(key="route", description="")
STATUS = Attribute(key="status", description="", type=int)
REQUESTS = Metric(
    name="requests",
    unit="{request}",
    kind=InstrumentKind.COUNTER,
    description="Requests.",
    attributes=(OUTCOME, ROUTE, STATUS),
    cardinality_limit=10,
)
DURATION = Metric(
    name="duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Time.",
    attributes=(ROUTE,),
    buckets=(0.1, 1.0),
)
QUEUE = Metric(name="queue", unit="1", kind=InstrumentKind.GAUGE, description="Now.", attributes=(ROUTE,))
OPEN = Metric(name="open", unit="1", kind=InstrumentKind.UP_DOWN_COUNTER, description="Open.", attributes=())


def collected(rig: Rig, name: str) -> list[Any]:
    found = [data for data in rig.telemetry.meter_provider.collect(rig.clock.time_ns) if data.name == name]
    return [point for data in found for point in data.points]


def values(points: Iterable[NumberPoint]) -> dict[Any, float]:
    return {tuple(sorted(point.attributes.items())): point.value for point in points}


def test_a_counter_adds_up_by_attribute_set() -> None:
    rig = make_rig()
    counter = rig.telemetry.instrument(REQUESTS)
    counter.add(1, {"outcome": "hit", "route": "/a", "status": 200})
    counter.add(2, {"status": 200, "route": "/a", "outcome": "hit"})
    counter.add(5, {"outcome": "miss"})
    assert values(collected(rig, "requests")) == {
        (("outcome", "hit"), ("route", "/a"), ("status", 200)): 3,
        (("outcome", "miss"),): 5,
    }
    assert rig.telemetry.instrument(REQUESTS) is counter


def test_values_outside_a_closed_set_are_recorded_as_other() -> None:
    rig = make_rig()
    counter = rig.telemetry.instrument(REQUESTS)
    for value in ("evil", "worse", 7, ["list"]):
        counter.add(1, {"outcome": value})
    assert values(collected(rig, "requests")) == {(("outcome", "other"),): 4}


def test_an_attribute_of_another_type_becomes_the_declared_one() -> None:
    rig = make_rig()
    counter = rig.telemetry.instrument(REQUESTS)
    counter.add(1, {"status": "404"})
    counter.add(1, {"status": "none"})
    counter.add(1, {"route": 5})
    assert values(collected(rig, "requests")) == {
        (("status", 404),): 1,
        (("status", "other"),): 1,
        (("route", "5"),): 1,
    }


def test_an_undeclared_attribute_is_dropped_counted_and_loud_under_test() -> None:
    with pytest.raises(MisuseError, match="undeclared_attribute: requests user"):
        make_rig().telemetry.instrument(REQUESTS).add(1, {"user": "ann"})
    rig = make_rig(strict=False)
    counter = rig.telemetry.instrument(REQUESTS)
    for _ in range(3):
        counter.add(1, {"outcome": "hit"})
        counter.add(1, {"outcome": "hit", "user": "ann"})
    assert values(collected(rig, "requests")) == {(("outcome", "hit"),): 6}
    assert rig.telemetry.stats().misuse == {"undeclared_attribute": 3}


def test_sets_over_the_limit_share_the_overflow_set() -> None:
    """The standard attribute says so, and memory stays bounded under an attack of values."""
    rig = make_rig()
    counter = rig.telemetry.instrument(REQUESTS)
    for n in range(10_000):
        counter.add(1, {"route": f"/{n}"})
    points = values(collected(rig, "requests"))
    assert len(points) == 10
    assert points[(("otel.metric.overflow", True),)] == 10_000 - 9
    assert len(counter.stream.points) <= 40
    assert rig.telemetry.stats().dropped["metrics", "cardinality"] > 0


def test_a_histogram_counts_into_its_buckets() -> None:
    """A value on a boundary belongs below it, as the specification says."""
    rig = make_rig()
    histogram = rig.telemetry.instrument(DURATION)
    for value in (0.05, 0.1, 0.5, 1.0, 7):
        histogram.record(value, {"route": "/a"})
    (point,) = collected(rig, "duration")
    assert point.bucket_counts == [2, 2, 1]
    assert (point.count, point.sum, point.min, point.max) == (5, pytest.approx(8.65), 0.05, 7)
    assert point.bounds == (0.1, 1.0)


def test_measurements_that_are_no_numbers_are_counted_and_forgotten() -> None:
    rig = make_rig(strict=False)
    counter, histogram, gauge = (rig.telemetry.instrument(m) for m in (REQUESTS, DURATION, QUEUE))
    odd: list[Any] = [float("nan"), float("inf"), "1", None, object()]
    for value in odd:
        counter.add(value, {})
        histogram.record(value, {})
        gauge.set(value, {})
    counter.add(-1, {})
    counter.record(1)
    odd_attributes: Any = ["not a mapping"]
    histogram.record(1, odd_attributes)
    assert rig.telemetry.stats().misuse == {"bad_amount": 16, "wrong_kind": 1, "attributes_not_a_mapping": 1}
    found = {data.name: data.points for data in rig.telemetry.meter_provider.collect(NOON)}
    assert values(found["requests"]) == {(): 0}  # type: ignore[arg-type]
    assert sum(point.count for point in found["duration"] if isinstance(point, HistogramPoint)) == 1


def test_deltas_hold_what_is_new_and_quiet_streams_say_nothing() -> None:
    rig = make_rig()
    counter, histogram = rig.telemetry.instrument(REQUESTS), rig.telemetry.instrument(DURATION)
    counter.add(3, {})
    histogram.record(0.5, {})
    rig.clock.advance(1)
    (first,) = collected(rig, "requests")
    assert (first.value, first.start_ns, first.time_ns) == (3, NOON, NOON + SECOND)
    assert len(collected(rig, "duration")) == 0  # collected with the counter, a moment ago
    rig.clock.advance(1)
    counter.add(4, {})
    histogram.record(0.7, {})
    data = {d.name: d for d in rig.telemetry.meter_provider.collect(rig.clock.time_ns)}
    (second,), (bucket,) = data["requests"].points, data["duration"].points
    assert isinstance(second, NumberPoint)
    assert isinstance(bucket, HistogramPoint)
    assert (second.value, second.start_ns) == (4, NOON + SECOND)
    assert (bucket.bucket_counts, bucket.min) == ([0, 1, 0], 0.7)
    assert bucket.sum == pytest.approx(0.7)
    assert (data["requests"].temporality, data["requests"].monotonic) == (DELTA, True)
    rig.clock.advance(1)
    assert rig.telemetry.meter_provider.collect(rig.clock.time_ns) == []


def test_cumulative_streams_repeat_everything_since_the_start() -> None:
    rig = make_rig({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "cumulative"})
    counter, histogram = rig.telemetry.instrument(REQUESTS), rig.telemetry.instrument(DURATION)
    for n in (1, 2, 3):
        counter.add(1, {})
        histogram.record(0.5, {})
        rig.clock.advance(1)
        data = {d.name: d for d in rig.telemetry.meter_provider.collect(rig.clock.time_ns)}
        (sum_point,), (bucket,) = data["requests"].points, data["duration"].points
        assert isinstance(sum_point, NumberPoint)
        assert isinstance(bucket, HistogramPoint)
        assert (sum_point.value, bucket.count, sum_point.start_ns) == (n, n, NOON)
        assert data["requests"].temporality == CUMULATIVE


def test_gauges_and_up_down_counters_tell_the_present() -> None:
    rig = make_rig()
    gauge, open_ = rig.telemetry.instrument(QUEUE), rig.telemetry.instrument(OPEN)
    gauge.set(5, {"route": "/a"})
    gauge.set(2, {"route": "/a"})
    open_.add(3)
    open_.add(-1)
    data = {d.name: d for d in rig.telemetry.meter_provider.collect(NOON)}
    assert [point.value for point in data["queue"].points if isinstance(point, NumberPoint)] == [2]
    assert (data["open"].temporality, data["open"].monotonic) == (CUMULATIVE, False)
    # a delta of an up-down counter cannot be read by anyone: the specification keeps it cumulative
    assert [d.name for d in rig.telemetry.meter_provider.collect(NOON)] == ["open"]


def test_the_shard_gets_every_delta_whatever_is_exported() -> None:
    """Two readers never take from each other."""
    rig = make_rig()
    counter, open_, histogram = (rig.telemetry.instrument(m) for m in (REQUESTS, OPEN, DURATION))
    counter.add(1, {})
    open_.add(5)
    histogram.record(0.5, {})
    rig.telemetry.meter_provider.collect(NOON)
    counter.add(2, {})
    open_.add(-2)

    def deltas() -> dict[str, float]:
        return {
            data.name: point.sum if isinstance(point, HistogramPoint) else point.value  # type: ignore[union-attr]
            for data in rig.telemetry.collect_deltas()
            for point in data.points
            if not data.name.startswith("lumigate.telemetry")
        }

    assert deltas() == {"requests": 3, "open": 3, "duration": 0.5}
    assert deltas() == {}
    open_.add(-3)
    assert deltas() == {"open": -3}
    assert [point.value for point in collected(rig, "requests")] == [2]


amounts = st.lists(st.tuples(st.sampled_from(["add", "export", "shard"]), st.integers(0, 100)), max_size=40)


@given(amounts)
def test_the_deltas_of_each_reader_add_up_to_what_was_measured(script: list[tuple[str, int]]) -> None:
    """Property: nothing is lost or counted twice between collections."""
    rig = make_rig()
    counter, histogram = rig.telemetry.instrument(REQUESTS), rig.telemetry.instrument(DURATION)
    provider = rig.telemetry.meter_provider
    totals = {"export": 0.0, "shard": 0.0}
    counts = {"export": 0, "shard": 0}
    measured, times = 0, 0

    def take(reader: str, found: list[MetricData]) -> None:
        for data in found:
            for point in data.points:
                if isinstance(point, HistogramPoint):
                    counts[reader] += point.count
                elif isinstance(point, NumberPoint):
                    totals[reader] += point.value

    for action, amount in [*script, ("export", 0), ("shard", 0)]:
        rig.clock.advance(1)
        if action == "add":
            counter.add(amount, {"route": str(amount % 3)})
            histogram.record(amount / 50, {})
            measured, times = measured + amount, times + 1
        elif action == "export":
            take("export", provider.collect(rig.clock.time_ns))
        else:
            take("shard", provider.collect_deltas(rig.clock.time_ns))
    assert totals == {"export": measured, "shard": measured}
    assert counts == {"export": times, "shard": times}


def test_attribute_sets_out_of_use_are_forgotten() -> None:
    """A long-lived isolate does not fill its cardinality limit with yesterday's values."""
    rig = make_rig()
    counter = rig.telemetry.instrument(REQUESTS)
    for n in range(15):
        counter.add(1, {"route": f"/{n}"})
        collected(rig, "requests")
    counter.add(1, {"route": "/99"})
    assert (("route", "/99"),) not in values(collected(rig, "requests"))
    for _ in range(30):
        counter.add(1, {"outcome": "hit"})
        collected(rig, "requests")
    counter.add(1, {"route": "/99"})
    assert values(collected(rig, "requests")) == {(("route", "/99"),): 1}


def test_exemplars_carry_the_sampled_span_of_the_last_measurement_in_each_bucket() -> None:
    rig = make_rig()
    tracer = rig.telemetry.tracer("t")
    histogram, counter = rig.telemetry.instrument(DURATION), rig.telemetry.instrument(REQUESTS)
    span = tracer.start_span("s", parent=None)
    context = span.get_span_context()
    histogram.record(0.5, {}, span=span)
    histogram.record(0.6, {}, span=span)
    histogram.record(5, {})
    with tracer.start_as_current_span("current") as current:
        histogram.record(0.01, {})
        counter.add(1, {})
    data = {d.name: d for d in rig.telemetry.meter_provider.collect(NOON + SECOND)}
    (point,), (sum_point,) = data["duration"].points, data["requests"].points
    found = {exemplar.value: exemplar for exemplar in point.exemplars}
    assert set(found) == {0.6, 0.01}
    assert (found[0.6].trace_id, found[0.6].span_id) == (context.trace_id, context.span_id)
    assert found[0.01].span_id == current.get_span_context().span_id
    assert NOON <= found[0.6].time_ns <= NOON + SECOND
    assert [exemplar.span_id for exemplar in sum_point.exemplars] == [current.get_span_context().span_id]
    histogram.record(0.5, {})
    (again,) = collected(rig, "duration")
    assert again.exemplars == ()


def test_an_unsampled_span_makes_no_exemplar() -> None:
    for environ in ({"OTEL_TRACES_SAMPLER": "always_off"}, {"OTEL_METRICS_EXEMPLAR_FILTER": "always_off"}):
        rig = make_rig(environ)
        span = rig.telemetry.tracer("t").start_span("s", parent=None)
        rig.telemetry.instrument(DURATION).record(1, {}, span=span)
        (point,) = collected(rig, "duration")
        assert point.exemplars == ()


def test_instruments_by_the_api_accept_any_attributes() -> None:
    rig = make_rig()
    meter = rig.telemetry.meter_provider.get_meter("library", "1.0")
    counter = meter.create_counter("c", "1", "Counts.")
    assert meter.create_counter("C") is counter
    meter.create_up_down_counter("u").add(-2, {"k": 1})
    meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1, 2]).record(1.5)
    meter.create_gauge("g").set(9)
    counter.add(1, {"b": 2, "a": [1, 2]})
    counter.add(1, {"a": [1, 2], "b": 2})
    data = {d.name: d for d in rig.telemetry.meter_provider.collect(NOON)}
    (c,) = data["c"].points
    assert isinstance(c, NumberPoint)
    assert (c.value, c.attributes) == (2, {"a": [1, 2], "b": 2})
    assert (data["c"].scope.name, data["c"].scope.version) == ("library", "1.0")
    (h,) = data["h"].points
    assert isinstance(h, HistogramPoint)
    assert (h.bounds, h.bucket_counts) == ((1.0, 2.0), [0, 1, 0])
    assert {name: d.kind for name, d in data.items()} == {
        "c": "sum",
        "u": "sum",
        "h": "histogram",
        "g": "gauge",
    }


def test_an_instrument_with_an_impossible_name_works_and_is_exported_nowhere() -> None:
    rig = make_rig()
    rig.telemetry.meter_provider.get_meter("m").create_counter("1 bad name").add(1)
    assert rig.telemetry.meter_provider.collect(NOON) == []
    assert rig.telemetry.stats().misuse == {"bad_instrument_name": 1}


def test_observables_are_asked_at_each_collection() -> None:
    rig = make_rig(strict=False)
    meter = rig.telemetry.meter_provider.get_meter("m")
    total = 0

    def callback(options: CallbackOptions) -> Iterable[Observation]:
        nonlocal total
        total += 5
        yield Observation(total, {"k": "v"})

    def generator() -> Generator[Iterable[Observation], CallbackOptions]:
        n = 0
        while True:
            n += 1
            yield [Observation(n)]

    def broken(options: CallbackOptions) -> Iterable[Observation]:
        raise RuntimeError("no")

    meter.create_observable_counter("oc", [callback])
    meter.create_observable_gauge("og", [broken, generator()])
    meter.create_observable_up_down_counter("ou", [lambda options: [Observation(-3), Observation("x")]])  # type: ignore[arg-type]
    first = {d.name: d.points for d in rig.telemetry.meter_provider.collect(NOON)}
    second = {d.name: d.points for d in rig.telemetry.meter_provider.collect(NOON + SECOND)}
    assert values(first["oc"]) == values(second["oc"]) == {(("k", "v"),): 5}  # type: ignore[arg-type]
    assert (values(first["og"]), values(second["og"])) == ({(): 1}, {(): 2})  # type: ignore[arg-type]
    assert values(second["ou"]) == {(): -3}  # type: ignore[arg-type]
    assert rig.telemetry.stats().misuse == {"callback_failed": 2, "bad_amount": 2}


def test_numbers_of_other_types_are_exported_as_plain_ones() -> None:
    """A Decimal that reached the encoder would cost the whole export."""
    rig = make_rig()
    odd: Any = Decimal("1.5")
    rig.telemetry.instrument(REQUESTS).add(odd, {})
    rig.telemetry.instrument(DURATION).record(odd, {})
    rig.telemetry.instrument(QUEUE).set(True, {})
    found = {data.name: data.points[0] for data in rig.telemetry.meter_provider.collect(NOON)}
    counter, duration, queue = found["requests"], found["duration"], found["queue"]
    assert isinstance(counter, NumberPoint)
    assert isinstance(queue, NumberPoint)
    assert isinstance(duration, HistogramPoint)
    assert [type(value) for value in (counter.value, queue.value, duration.sum, duration.min)] == [
        float,
        int,
        float,
        float,
    ]
