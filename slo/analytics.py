"""The promises as Analytics Engine SQL: one query a promise, all windows in one row, weighted for sampling.

Only what its SQL has is used, https://developers.cloudflare.com/analytics/analytics-engine/sql-reference/: one table,
no join, `sumIf`, `NOW()` and `INTERVAL`. Points are sampled: each stands for `_sample_interval` requests.
"""

from __future__ import annotations

from decimal import Decimal

from slo.model import PointCondition, Points, Promise
from slo.point_columns import COLUMNS, names_in
from slo.windows import tiers


def sql(promise: Promise, dataset: str, environment: str | None = None) -> str | None:
    """Bad and total by window, as columns `bad_3600` (seconds) and so on; None where the point lacks what it needs."""
    if promise.points is None:
        return None
    windows = windows_of(promise)
    bad = _bad(promise.points)
    columns = []
    for window in windows:
        recent = "" if window == windows[-1] else f" AND timestamp > {_ago(window)}"
        columns.append(f"  sumIf(_sample_interval, {bad}{recent}) AS bad_{window}")
        columns.append(
            f"  sumIf(_sample_interval,{recent.removeprefix(' AND')}) AS total_{window}"
            if recent
            else f"  SUM(_sample_interval) AS total_{window}"
        )
    where = [f"timestamp > {_ago(windows[-1])}", *(_condition(each) for each in promise.points.total)]
    if environment is not None:
        where.append(f"{COLUMNS['environment'].column} = {_literal(environment)}")
    select = ",\n".join(columns)
    conditions = "\n  AND ".join(where)
    return f"SELECT\n{select}\nFROM {dataset}\nWHERE {conditions}\n"


def since_sql(promise: Promise, dataset: str, start: int) -> str | None:
    """Bad and total since a Unix time, and over the period before, for «what did this deploy burn»."""
    if promise.points is None:
        return None
    where = "\n  AND ".join([f"timestamp > toDateTime({start})", *map(_condition, promise.points.total)])
    return (
        f"SELECT\n  sumIf(_sample_interval, {_bad(promise.points)}) AS bad_since,\n"
        f"  SUM(_sample_interval) AS total_since\nFROM {dataset}\nWHERE {where}\n"
    )


def by_version_sql(points: Points, dataset: str, seconds: int) -> str:
    """Bad and total of the last seconds, a row for each version that served."""
    version = COLUMNS["version"].column
    conditions = "\n  AND ".join([f"timestamp > {_ago(seconds)}", *map(_condition, points.total)])
    return (
        f"SELECT\n  {version} AS version,\n  sumIf(_sample_interval, {_bad(points)}) AS bad,\n"
        f"  SUM(_sample_interval) AS total\nFROM {dataset}\nWHERE {conditions}\nGROUP BY version\n"
    )


def windows_of(promise: Promise) -> list[int]:
    """Seconds, the period last."""
    short = {int(w) for tier in tiers(promise.period, 60.0) for w in (tier.long, tier.short)}
    return [*sorted(short), int(promise.period)]


def _bad(points: Points) -> str:
    conditions = " AND ".join(_condition(each) for each in points.bad)
    return f"NOT ({conditions})" if points.negated else conditions


def _condition(condition: PointCondition) -> str:
    value = " - ".join(COLUMNS[name].column for name in names_in(condition.value))
    operands = [_literal(operand) for operand in condition.operands]
    if condition.operator in ("<=", ">"):
        return f"{value} {condition.operator} {operands[0]}"
    if len(operands) == 1:
        return f"{value} {'=' if condition.operator == 'in' else '!='} {operands[0]}"
    return f"{value} {condition.operator.upper()} ({', '.join(operands)})"


def _literal(value: str | float) -> str:
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
    return f"{Decimal(repr(value)).normalize():f}"


def _ago(seconds: int) -> str:
    for unit, size in (("DAY", 86_400), ("HOUR", 3_600), ("MINUTE", 60)):
        if seconds % size == 0:
            return f"NOW() - INTERVAL '{seconds // size}' {unit}"
    return f"NOW() - INTERVAL '{seconds}' SECOND"
