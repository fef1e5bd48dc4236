"""Analytics Engine and Prometheus say the same of a promise: the points of a run are counted against its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lumigate.catalog import DATA_POINT
from slo.build import Sources
from slo.model import CatalogEvents, Counted, PointCondition, Promise
from slo.point_columns import names_in
from slo.promql import series_of
from tests.dashboards.conftest import Run

PROMISES = [promise for promise in Sources.load().promises if promise.points is not None]
MORE_POINTS = {"l1-hits": "who waited for the same question has a hit, and looked it up before there was one"}
FEWER_POINTS = {
    "provider-choice": "what is asked anew beside a stale answer chooses a provider, and has no point"
}
COLUMNS = {column.name: column.column for column in DATA_POINT}


def holds(condition: PointCondition, point: Mapping[str, Any]) -> bool:
    first, *rest = [point[COLUMNS[name]] for name in names_in(condition.value)]
    value = first - rest[0] if rest else first
    (operand, *_) = condition.operands
    if condition.operator == "<=":
        return bool(value <= operand)
    if condition.operator == ">":
        return bool(value > operand)
    return (value in condition.operands) is (condition.operator == "in")


def by_points(promise: Promise, points: list[dict[str, Any]]) -> tuple[int, int]:
    """Bad and total."""
    assert promise.points is not None
    counted = [p for p in points if all(holds(each, p) for each in promise.points.total)]
    matching = sum(all(holds(each, p) for each in promise.points.bad) for p in counted)
    return (len(counted) - matching if promise.points.negated else matching), len(counted)


def by_metrics(promise: Promise, run: Run) -> tuple[float, float]:
    indicator = promise.indicator
    assert isinstance(indicator, Counted)

    def count(events: object) -> float:
        assert isinstance(events, CatalogEvents)
        return sum(run.number(f"sum({series_of(s, {})}) or vector(0)") for s in events.selections)

    part, total = count(indicator.part), count(indicator.total)
    return (total - part if indicator.numerator == "good" else part), total


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
def test_a_promise_stands_the_same_in_points_and_in_metrics(run: Run, promise: Promise) -> None:
    (bad, total), (told_bad, told_total) = by_points(promise, run.points), by_metrics(promise, run)
    assert total > 0
    if promise.name in MORE_POINTS:
        assert (bad, total > told_total) == (told_bad, True)
    elif promise.name in FEWER_POINTS:
        assert (bad <= told_bad, total < told_total) == (True, True)
    else:
        assert (bad, total) == (told_bad, told_total)
