"""Exponential histograms agree with the SDK's, and lose no measurement."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource

from lumigate.telemetry.exponential import MAX_BUCKETS, index_of
from lumigate.telemetry.records import ExponentialHistogramPoint
from tests.telemetry.fakes import NOON, Rig, make_rig

EXPONENTIAL = {
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "base2_exponential_bucket_histogram"
}
measurements = st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=60)


def take(rig: Rig) -> ExponentialHistogramPoint | None:
    for data in rig.telemetry.meter_provider.collect(rig.clock.time_ns):
        (point,) = data.points
        assert isinstance(point, ExponentialHistogramPoint)
        assert data.kind == "exponential_histogram"
        return point
    return None


def sdk_point(values: list[float]) -> Any:
    reader = InMemoryMetricReader(preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()})
    provider = MeterProvider([reader], resource=Resource({}), shutdown_on_exit=False)
    histogram = provider.get_meter("m").create_histogram("h")
    for value in values:
        histogram.record(value)
    data: Any = reader.get_metrics_data()
    provider.shutdown()
    return data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0]


@given(measurements)
def test_the_buckets_are_those_of_the_sdk(values: list[float]) -> None:
    """The same counts at the same scale; the SDK's log may round a value at a bound to the neighbour."""
    rig = make_rig(EXPONENTIAL)
    histogram = rig.telemetry.meter_provider.get_meter("m").create_histogram("h")
    for value in values:
        histogram.record(value)
    ours, theirs = take(rig), sdk_point(values)
    assert ours is not None
    assert ours.scale == theirs.scale
    assert ours.count == theirs.count == sum(ours.positive_counts)
    assert (ours.min, ours.max) == (theirs.min, theirs.max)
    assert len(ours.positive_counts) <= MAX_BUCKETS


@given(st.floats(1e-300, 1e300), st.integers(-10, 20))
def test_a_value_lies_within_its_bucket(value: float, scale: int) -> None:
    """Its upper bound belongs to it."""
    import math

    index = index_of(value, scale)
    low, high = index * 2.0**-scale, (index + 1) * 2.0**-scale
    assert low - 1e-9 * max(1, abs(low)) <= math.log2(value) <= high + 1e-9 * max(1, abs(high))


@pytest.mark.parametrize(("scale", "index"), [(-3, 0), (0, 1), (1, 3), (20, (2 << 20) - 1)])
def test_powers_of_two_close_their_buckets(scale: int, index: int) -> None:
    assert index_of(1.0, scale) == -1
    assert index_of(4.0, scale) == index


@given(st.lists(st.floats(-1e6, 1e6), max_size=40), st.lists(st.floats(-1e6, 1e6), max_size=40))
def test_deltas_add_up_across_changes_of_scale(first: list[float], second: list[float]) -> None:
    rig = make_rig(EXPONENTIAL)
    histogram = rig.telemetry.meter_provider.get_meter("m").create_histogram("h")
    counts: list[int] = []
    for batch in (first, second):
        for value in batch:
            histogram.record(value)
        point = take(rig)
        if point is not None:
            counts.append(point.count)
            assert point.count == point.zero_count + sum(point.positive_counts) + sum(point.negative_counts)
            assert all(count >= 0 for count in [*point.positive_counts, *point.negative_counts])
    assert sum(counts) == len(first) + len(second)
    assert rig.clock.time_ns == NOON


def test_declared_bounds_stay_explicit() -> None:
    rig = make_rig(EXPONENTIAL)
    meter = rig.telemetry.meter_provider.get_meter("m")
    meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1, 2]).record(1)
    (data,) = rig.telemetry.meter_provider.collect(NOON)
    assert data.kind == "histogram"


async def test_it_is_exported() -> None:
    rig = make_rig(EXPONENTIAL)
    histogram = rig.telemetry.meter_provider.get_meter("m").create_histogram("h")
    histogram.record(3.0)
    await rig.flush()
    (point,) = rig.post.of("metrics")[0].metrics()["h"]["exponentialHistogram"]["dataPoints"]
    assert point["count"] == "1"
