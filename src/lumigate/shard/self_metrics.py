"""The shard about itself: declared like any other metrics, and counted by itself like any isolate's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lumigate.telemetry.records import DELTA, MetricData, NumberPoint, Scope
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric

SCOPE: Final = Scope("lumigate.shard")
COUNTER_OF: Final[Mapping[str, str]] = {
    "batches_stored": "stored",
    "batches_duplicate": "duplicate",
    "batches_refused_text": "malformed",
    "batches_refused_json": "malformed",
    "batches_refused_header": "malformed",
    "batches_refused_metric": "malformed",
    "batches_refused_attributes": "malformed",
    "batches_refused_point": "malformed",
    "batches_refused_too_large": "too_large",
    "batches_refused_version": "version",
    "batches_refused_clock_ahead": "clock_ahead",
    "batches_refused_too_late": "too_late",
    "rows_unreadable": "unreadable",
}
"""What `Shard.counts` calls it, and the value of `result`."""

BATCHES: Final = Metric(
    name="lumigate.shard.batches",
    unit="{batch}",
    kind=InstrumentKind.COUNTER,
    description="Batches of deltas by what became of them; all but stored and duplicate are lost or come again.",
    attributes=(
        Attribute(
            key="result", description="What became of the batch.", values=frozenset(COUNTER_OF.values())
        ),
    ),
)
POINTS_DROPPED: Final = Metric(
    name="lumigate.shard.points.dropped",
    unit="{point}",
    kind=InstrumentKind.COUNTER,
    description="Points of metrics beyond the number that a shard holds.",
)
POINTS_OVERFLOWED: Final = Metric(
    name="lumigate.shard.points.overflowed",
    unit="{point}",
    kind=InstrumentKind.COUNTER,
    description="Points counted in the overflow series, their attributes lost.",
)
SERIES: Final = Metric(
    name="lumigate.shard.series",
    unit="{series}",
    kind=InstrumentKind.GAUGE,
    description="Series that a shard holds.",
)
ISOLATES: Final = Metric(
    name="lumigate.shard.isolates",
    unit="{isolate}",
    kind=InstrumentKind.GAUGE,
    description="Isolates that a shard remembers.",
)

SHARD_METRICS: Final = (BATCHES, POINTS_DROPPED, POINTS_OVERFLOWED, SERIES, ISOLATES)


def self_deltas(counted: Mapping[str, int], *, series: int, isolates: int, now_ns: int) -> list[MetricData]:
    """What was counted since the last report, as an isolate would send it. Empty if nothing was."""
    by_result: dict[str, int] = {}
    for name, result in COUNTER_OF.items():
        by_result[result] = by_result.get(result, 0) + counted.get(name, 0)
    batches = [_point(n, now_ns, result=result) for result, n in by_result.items() if n]
    made = [
        _data(BATCHES, batches),
        _data(POINTS_DROPPED, [_point(n, now_ns) for n in [counted.get("points_dropped", 0)] if n]),
        _data(POINTS_OVERFLOWED, [_point(n, now_ns) for n in [counted.get("points_overflowed", 0)] if n]),
    ]
    if not any(metric.points for metric in made):
        return []
    made.append(_data(SERIES, [_point(series, now_ns)]))
    made.append(_data(ISOLATES, [_point(isolates, now_ns)]))
    return [metric for metric in made if metric.points]


def _point(value: int, now_ns: int, **attributes: str) -> NumberPoint:
    return NumberPoint(attributes=attributes, start_ns=0, time_ns=now_ns, value=value)


def _data(metric: Metric, points: Sequence[NumberPoint]) -> MetricData:
    is_counter = metric.kind is InstrumentKind.COUNTER
    return MetricData(
        scope=SCOPE,
        name=metric.name,
        unit=metric.unit,
        description=metric.description,
        kind="sum" if is_counter else "gauge",
        points=points,
        temporality=DELTA,
        monotonic=is_counter,
    )
