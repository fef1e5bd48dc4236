"""An indicator over Analytics Engine points, checked against the columns that the catalog declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from lumigate.catalog import DATA_POINT
from lumigate.telemetry.schema import Metric, PointColumn
from slo import openslo
from slo.model import PointCondition, Points

COLUMNS: Final[Mapping[str, PointColumn]] = {column.name: column for column in DATA_POINT}
_PER_SECOND: Final = {"ms": 1000.0, "s": 1.0}


def read_points(part: openslo.PointsWhere, total: openslo.PointsWhere, *, good: bool) -> Points:
    """Raises ValueError that names the column."""
    return Points(total=_conditions(total), bad=_conditions(part), negated=good)


def read_threshold(spec: openslo.CatalogSpec, metric: Metric, threshold: float) -> Points | None:
    """A latency or a cost: bad is what is above the threshold, in the column's own unit. Raises ValueError."""
    if spec.points is None and spec.points_value is None:
        return None
    if spec.points_value is None:
        raise ValueError("pointsValue says which column is compared; it is missing")
    unit = _unit(spec.points_value)
    if metric.unit == "s" and unit in _PER_SECOND:
        threshold *= _PER_SECOND[unit]
    elif metric.unit != unit:
        raise ValueError(f"{metric.name} is in {metric.unit}, {spec.points_value} in {unit or 'no unit'}")
    bad = PointCondition(value=spec.points_value, operator=">", operands=(threshold,))
    return Points(total=_conditions(spec.points or {}), bad=(bad,))


def is_number(value: str) -> bool:
    """Whether a column, or a difference of columns, is of numbers."""
    return all(COLUMNS[name].column.startswith("double") for name in names_in(value))


def names_in(value: str) -> list[str]:
    """The columns of `a` or `a - b`. Raises ValueError for anything else, or a column that there is not."""
    if not re.fullmatch(r"\w+( - \w+)?", value):
        raise ValueError(f"{value!r} is neither a column nor a difference of two")
    names = value.split(" - ")
    for name in names:
        if name not in COLUMNS:
            raise ValueError(f"the data point has no column {name!r}; it has {', '.join(COLUMNS)}")
    return names


def _unit(value: str) -> str:
    (unit, *others) = [COLUMNS[name].unit for name in names_in(value)]
    if any(other != unit for other in others) or not is_number(value):
        raise ValueError(f"{value!r} mixes units")
    return unit


def _conditions(where: openslo.PointsWhere) -> tuple[PointCondition, ...]:
    return tuple(_condition(value, wanted) for value, wanted in where.items())


def _condition(
    value: str,
    wanted: openslo.Scalar | list[openslo.Scalar] | openslo.Unless | openslo.AtMost | openslo.MoreThan,
) -> PointCondition:
    number = all(COLUMNS[name].column.startswith("double") for name in names_in(value))
    if isinstance(wanted, openslo.AtMost | openslo.MoreThan):
        if not number:
            raise ValueError(f"{value} is text and has no bound")
        if isinstance(wanted, openslo.AtMost):
            return PointCondition(value=value, operator="<=", operands=(wanted.at_most,))
        return PointCondition(value=value, operator=">", operands=(wanted.more_than,))
    given = wanted.not_ if isinstance(wanted, openslo.Unless) else wanted
    values = given if isinstance(given, list) else [given]
    if number and not all(isinstance(one, int | float) for one in values):
        raise ValueError(f"{value} is a number, and compared with text")
    operands = tuple(float(one) for one in values) if number else tuple(str(one) for one in values)
    return PointCondition(
        value=value, operator="not in" if isinstance(wanted, openslo.Unless) else "in", operands=operands
    )
