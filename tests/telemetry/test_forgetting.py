"""Points that nobody adds to any more are forgotten, and no count is lost or doubled by it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation

from lumigate.shard.decoding import BatchDecoder
from lumigate.shard.encoding import encode_batches
from lumigate.telemetry.records import HistogramPoint, MetricData, NumberPoint
from tests.telemetry.fakes import Rig, make_rig

MANY = 50
"""Collections; a point is forgotten after 20 without news."""


def collected(rig: Rig, reader: str) -> list[MetricData]:
    now_ns = rig.clock.now_ns()
    provider = rig.telemetry.meter_provider
    return provider.collect_deltas(now_ns) if reader == "shard" else provider.collect(now_ns)


def points(rig: Rig, reader: str, name: str) -> list[NumberPoint]:
    every = [point for metric in collected(rig, reader) if metric.name == name for point in metric.points]
    return [point for point in every if isinstance(point, NumberPoint)]


def sums(rig: Rig, reader: str, name: str) -> list[float]:
    return [point.value for point in points(rig, reader, name)]


@pytest.mark.parametrize("reader", ["export", "shard"])
def test_a_set_unused_for_long_makes_room_for_another(reader: str) -> None:
    """An isolate may live for days: without it, all sets beyond the limit would share one point for good."""
    rig = make_rig()
    counter = rig.telemetry.meter_provider.get_meter("m").create_counter("c")
    for n in range(3000):
        counter.add(1, {"k": n})
    assert len(sums(rig, reader, "c")) == 2000
    for _ in range(MANY):
        collected(rig, reader)
    for key, amount in (("late", 5), (0, 2)):
        counter.add(amount, {"k": key})
        (point,) = points(rig, reader, "c")
        assert (point.attributes, point.value) == ({"k": key}, amount)


@pytest.mark.parametrize("reader", ["export", "shard"])
def test_what_was_counted_and_not_yet_read_is_never_forgotten(reader: str) -> None:
    rig = make_rig()
    counter = rig.telemetry.meter_provider.get_meter("m").create_up_down_counter("c")
    total = 0.0
    for n in range(200):
        if n % 25 == 0:
            counter.add(1)
        read = sums(rig, "shard", "c")
        total += sum(read)
        if reader == "export":
            sums(rig, "export", "c")
    assert total == 8


@pytest.mark.parametrize("reader", ["export", "shard"])
def test_a_total_that_is_observed_and_does_not_change_is_counted_once(reader: str) -> None:
    """Forgotten, it would be new at the next look, and all of it counted again."""
    rig = make_rig()

    def look(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(1000, {"k": "v"})

    rig.telemetry.meter_provider.get_meter("m").create_observable_counter("c", [look])
    read = [value for _ in range(MANY) for value in sums(rig, reader, "c")]
    assert read == [1000]


@pytest.mark.parametrize("reader", ["export", "shard"])
def test_an_instrument_that_cannot_be_read_costs_no_other(reader: str) -> None:
    """What the others measured is marked as read by then: without them it would be lost for good."""
    rig = make_rig(strict=False)
    meter = rig.telemetry.meter_provider.get_meter("m")
    for name in ("before", "broken", "after"):
        meter.create_counter(name).add(1)
    broken = rig.telemetry.meter_provider.get_meter("m").create_counter("broken")

    def fails(*_: object) -> None:
        raise OverflowError

    broken.stream._distinct = {None: SimpleNamespace(take=fails)}  # type: ignore[attr-defined]
    names = {metric.name for metric in collected(rig, reader)}
    assert {"before", "after"} <= names
    assert rig.telemetry.stats().errors == {"collect": 1}


@pytest.mark.parametrize("bounds", [(5, 1, 1, 3), (1, float("nan"), float("inf"), 3), ["x"], range(1000), ()])
def test_bounds_of_a_histogram_are_put_in_order(bounds: Sequence[Any]) -> None:
    """The shard refuses a whole batch for one histogram whose bounds are none."""
    rig = make_rig()
    meter = rig.telemetry.meter_provider.get_meter("m")
    histogram = meter.create_histogram("h", explicit_bucket_boundaries_advisory=bounds)
    histogram.record(2)
    (metric,) = (data for data in collected(rig, "shard") if data.name == "h")
    (point,) = metric.points
    assert isinstance(point, HistogramPoint)
    assert list(point.bounds) == sorted(set(point.bounds))
    assert len(point.bounds) <= 200
    (text,) = encode_batches([metric], isolate="i", first_sequence=1, sealed_ns=1).texts
    assert BatchDecoder().decode(text).metrics[0].points[0][1] == 2


def test_a_callback_may_make_instruments_while_it_is_asked() -> None:
    rig = make_rig()
    meter = rig.telemetry.meter_provider.get_meter("m")

    def look(_: CallbackOptions) -> Iterable[Observation]:
        meter.create_counter("made").add(1)
        yield Observation(1)

    meter.create_observable_gauge("g", [look])
    assert {metric.name for metric in collected(rig, "export")} >= {"g"}
    assert "made" in {metric.name for metric in collected(rig, "export")}
