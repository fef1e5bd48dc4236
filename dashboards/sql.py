"""Analytics Engine SQL over the catalog's data point, weighted for sampling, in the subset that it really has.

A stored point stands for `_sample_interval` requests, so nothing here counts rows.
https://developers.cloudflare.com/analytics/analytics-engine/sql-reference/: one table, no join, no union. `$timeFilter`
and `$timeSeries` are macros of the ClickHouse plug-in that Cloudflare names for Grafana, `$dataset` is a variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from dashboards.promql import NotInCatalog
from lumigate.catalog import DATA_POINT
from lumigate.telemetry.schema import PointColumn

COLUMNS: Final[Mapping[str, PointColumn]] = {column.name: column for column in DATA_POINT}
WEIGHT: Final = "_sample_interval"
ALLOWED: Final = frozenset(
    {
        *(
            "count",
            "sum",
            "avg",
            "min",
            "max",
            "quantileexactweighted",
            "quantileweighted",
            "argmin",
            "argmax",
        ),
        *("first_value", "last_value", "topk", "topkweighted", "countif", "sumif", "avgif"),
        *(
            "if",
            "intdiv",
            "log",
            "pow",
            "round",
            "floor",
            "ceil",
            "tostring",
            "touint8",
            "touint32",
            "todatetime",
        ),
        *(
            "now",
            "today",
            "tounixtimestamp",
            "formatdatetime",
            "tostartofinterval",
            "toyear",
            "tomonth",
            "tohour",
        ),
        *("tostartofhour", "tostartofday", "tostartofminute", "tostartoffiveminutes", "extract"),
        *("length", "empty", "lower", "upper", "startswith", "endswith", "position", "substring", "format"),
    }
)
"""Functions that Analytics Engine documents, in lower case: names are not case-sensitive there."""
_WORDS: Final = frozenset(["in", "and", "or", "not", "interval", "as", "by", "values"])
_CALL: Final = re.compile(r"\b([A-Za-z_][A-Za-z0-9_]*)\s*\(")
_TEXTS: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'")
_FORBIDDEN: Final = re.compile(r"\b(join|union|with|over|array|except|intersect)\b", re.IGNORECASE)


class NotInAnalyticsEngine(Exception):
    """A query uses what Analytics Engine's SQL does not have."""


def column(name: str) -> str:
    """The column that holds a value of the data point. Raises `NotInCatalog`."""
    if name not in COLUMNS:
        raise NotInCatalog(f"the data point has no {name!r}; it has {', '.join(COLUMNS)}")
    return COLUMNS[name].column


REQUESTS: Final = f"SUM({WEIGHT})"


def total(name: str) -> str:
    """What a number adds up to over all requests."""
    return f"SUM({WEIGHT} * {column(name)})"


def mean(name: str) -> str:
    return f"{total(name)} / SUM({WEIGHT})"


def quantile(q: float, name: str, *, only: str = "") -> str:
    """Of all requests, or of those for which the condition `only` holds."""
    weight = f"if({only}, {WEIGHT}, 0)" if only else WEIGHT
    return f"quantileExactWeighted({q:g})({column(name)}, {weight})"


def requests_if(condition: str) -> str:
    return f"sumIf({WEIGHT}, {condition})"


def share(condition: str) -> str:
    return f"{requests_if(condition)} / SUM({WEIGHT})"


def one_of(name: str, *values: str) -> str:
    """A condition on a text. Values are catalog values or none of the caller's business: never user input."""
    quoted = ", ".join("'" + value.replace("\\", "\\\\").replace("'", "''") + "'" for value in values)
    return f"{column(name)} = {quoted}" if len(values) == 1 else f"{column(name)} IN ({quoted})"


def chosen(name: str, variable: str) -> str:
    """Narrowed by a dashboard variable with several values; its «All» is every value there is."""
    return f"{column(name)} IN (${{{variable}:singlequote}})"


def query(
    columns: Mapping[str, str],
    *,
    where: Sequence[str] = (),
    by: Sequence[str] = (),
    over_time: bool = False,
    order: str = "",
    limit: int = 0,
) -> str:
    """A whole query, checked. `columns`: expressions by their alias; `by`: names of the data point's texts."""
    select = [f"  {column(name)} AS {name}" for name in by]
    select += [f"  {expression} AS {alias}" for alias, expression in columns.items()]
    group = [column(name) for name in by]
    if over_time:
        select, group = ["  $timeSeries AS t", *select], ["t", *group]
    lines = ["SELECT", ",\n".join(select), "FROM ${dataset}"]
    lines.append("WHERE " + "\n  AND ".join(["$timeFilter", *where]))
    lines += [f"GROUP BY {', '.join(group)}"] if group else []
    order = "t" if over_time else order
    lines += [f"ORDER BY {order}"] if order else []
    lines += [f"LIMIT {limit}"] if limit else []
    return checked("\n".join(lines))


def checked(sql: str) -> str:
    """The query itself. Raises `NotInAnalyticsEngine`, or `NotInCatalog` for a column that nobody writes."""
    plain = _TEXTS.sub("''", sql)
    functions = {name.lower() for name in _CALL.findall(plain)} - _WORDS
    if unknown := sorted(functions - ALLOWED):
        raise NotInAnalyticsEngine(f"no such function: {', '.join(unknown)}")
    if found := _FORBIDDEN.search(plain):
        raise NotInAnalyticsEngine(f"no {found[0].upper()} in its SQL")
    written = {each.column for each in DATA_POINT}
    if unwritten := sorted(set(re.findall(r"\b(?:blob|double|index)\d+\b", plain)) - written):
        raise NotInCatalog(f"nothing is written to {', '.join(unwritten)}")
    if re.search(r"\bcount\s*\(\s*\)", plain, re.IGNORECASE):
        raise NotInAnalyticsEngine("count() counts stored points, not requests: sum the sample interval")
    return sql
