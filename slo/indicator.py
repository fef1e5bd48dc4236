"""An indicator checked against the catalog: its metric exists, its filter can match, its threshold is a bucket.

And it is satisfiable: some event is good, some event is bad. A promise that nothing can break, or keep, is a mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lumigate.telemetry.schema import OTHER, InstrumentKind, Metric
from slo import openslo
from slo.emissions import classes
from slo.model import (
    CatalogEvents,
    Condition,
    Counted,
    Events,
    Indicator,
    Points,
    RawEvents,
    RawRatio,
    Selection,
)
from slo.point_columns import read_points, read_threshold
from slo.promql import UnreadableQuery, increases_of_query
from slo.yaml_lines import Location

_COUNTED: Final = frozenset({InstrumentKind.COUNTER, InstrumentKind.HISTOGRAM})


class Fault(Exception):
    """What is wrong, and where below the indicator's spec (or below `objectives`)."""

    def __init__(self, at: Location, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What an indicator's spec says."""

    indicator: Indicator
    points: Points | None


def read_indicator(
    spec: openslo.IndicatorSpec, objective: openslo.Objective, metrics: Mapping[str, Metric]
) -> Read:
    """Raises Fault."""
    if spec.threshold_metric is not None:
        return _threshold(spec.threshold_metric, objective, metrics)
    ratio = spec.ratio_metric
    assert ratio is not None
    if objective.op is not None or objective.value is not None:
        raise Fault(("objectives", 0), "op and value go with a thresholdMetric")
    place: Location = ("ratioMetric",)
    if ratio.raw is not None:
        source = ratio.raw.metric_source
        assert isinstance(source, openslo.QuerySource)
        return Read(
            indicator=RawRatio(query=source.spec.query, failure=ratio.raw_type == "failure"), points=None
        )
    part, total = ratio.good or ratio.bad, ratio.total
    assert part is not None
    assert total is not None
    numerator = "good" if ratio.good else "bad"
    indicator = Counted(
        numerator="good" if ratio.good else "bad",
        part=_events(part.metric_source, metrics, (*place, numerator)),
        total=_events(total.metric_source, metrics, (*place, "total")),
    )
    _check_satisfiable(indicator, (*place, numerator))
    return Read(indicator=indicator, points=_points(ratio, place))


def _threshold(
    threshold: openslo.ThresholdMetric, objective: openslo.Objective, metrics: Mapping[str, Metric]
) -> Read:
    place: Location = ("thresholdMetric", "metricSource", "spec")
    spec = threshold.metric_source.spec
    if spec.plus:
        raise Fault((*place, "plus"), "a threshold is one histogram's")
    selection = _selection(spec, metrics, place)
    metric = selection.metric
    if metric.kind is not InstrumentKind.HISTOGRAM:
        raise Fault((*place, "metric"), f"{metric.name} is a {metric.kind}; a threshold needs a histogram")
    if objective.op != "lte" or objective.value is None:
        raise Fault(
            ("objectives", 0, "op"), "a histogram's buckets count what is at most: op: lte, and a value"
        )
    if objective.value not in metric.buckets:
        nearest = min(metric.buckets, key=lambda bound: (abs(bound - float(objective.value or 0)), bound))
        raise Fault(
            ("objectives", 0, "value"),
            f"{objective.value:g} is not a bucket boundary of {metric.name}; the nearest is {nearest:g} {metric.unit}",
        )
    good = Selection(metric=metric, where=selection.where, at_most=objective.value)
    indicator = Counted(
        numerator="good",
        part=CatalogEvents(selections=(good,)),
        total=CatalogEvents(selections=(selection,)),
    )
    try:
        points = read_threshold(spec, metric, objective.value)
    except ValueError as error:
        raise Fault((*place, "points"), str(error)) from None
    return Read(indicator=indicator, points=points)


def _events(
    source: openslo.CatalogSource | openslo.QuerySource, metrics: Mapping[str, Metric], place: Location
) -> Events:
    place = (*place, "metricSource", "spec")
    if isinstance(source, openslo.QuerySource):
        try:
            increases_of_query(source.spec.query, step=60.0)
        except UnreadableQuery as error:
            raise Fault((*place, "query"), str(error)) from None
        return RawEvents(query=source.spec.query)
    terms = [(source.spec, place), *((t, (*place, "plus", i)) for i, t in enumerate(source.spec.plus))]
    return CatalogEvents(selections=tuple(_selection(term, metrics, at) for term, at in terms))


def _selection(term: openslo.CatalogTerm, metrics: Mapping[str, Metric], place: Location) -> Selection:
    metric = metrics.get(term.metric)
    if metric is None:
        raise Fault(
            (*place, "metric"), f"the catalog has no metric {term.metric!r}{_near(term.metric, metrics)}"
        )
    if metric.kind not in _COUNTED:
        raise Fault((*place, "metric"), f"{metric.name} is a {metric.kind}, which counts no events")
    return Selection(
        metric=metric, where=tuple(_condition(key, value, metric, place) for key, value in term.where.items())
    )


def _condition(
    key: str, value: openslo.Scalar | list[openslo.Scalar] | openslo.Unless, metric: Metric, place: Location
) -> Condition:
    attribute = next((a for a in metric.attributes if a.key == key), None)
    at = (*place, "where", key)
    if attribute is None:
        raise Fault(at, f"{metric.name} has no attribute {key!r}")
    negated = isinstance(value, openslo.Unless)
    given = value.not_ if isinstance(value, openslo.Unless) else value
    values = tuple(str(one) for one in (given if isinstance(given, list) else [given]))
    if not values:
        raise Fault(at, "no value is given")
    if attribute.values is not None:
        for one in values:
            if one not in attribute.values and one != OTHER:
                known = ", ".join(sorted(v for v in attribute.values if v))
                raise Fault(at, f"{key} is never {one!r}; it is one of {known}")
    return Condition(key=key, values=values, negated=negated)


def _points(ratio: openslo.RatioMetric, place: Location) -> Points | None:
    part, total = ratio.good or ratio.bad, ratio.total
    assert part is not None
    assert total is not None
    specs = [side.metric_source.spec for side in (part, total)]
    where = [spec.points if isinstance(spec, openslo.CatalogSpec) else None for spec in specs]
    if where[0] is None or where[1] is None:
        if where != [None, None]:
            raise Fault(place, "points must be given for both sides, or for none")
        return None
    try:
        return read_points(where[0], where[1], good=ratio.good is not None)
    except ValueError as error:
        raise Fault(place, f"points: {error}") from None


def _check_satisfiable(indicator: Counted, place: Location) -> None:
    if isinstance(indicator.part, RawEvents) or isinstance(indicator.total, RawEvents):
        return
    found = classes(indicator)
    for what, emission in (("good", found.good), ("bad", found.bad)):
        if emission is None:
            raise Fault(place, f"no event can be {what}: the two filters leave none")


def _near(name: str, metrics: Mapping[str, Metric]) -> str:
    import difflib

    close = difflib.get_close_matches(name, metrics, n=1)
    return f"; the nearest is {close[0]}" if close else ""
