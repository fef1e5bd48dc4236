"""The promises as Analytics Engine SQL: in the words that it has, over points, weighted for sampling."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from typing import Any

import pytest

from lumigate.catalog import DATA_POINT
from slo.analytics import since_sql, sql, windows_of
from slo.build import Sources
from slo.model import PointCondition, Points, Promise
from tests.slo.examples import promise

IN_POINTS = [p for p in Sources.load().promises if p.points is not None]
ALLOWED = {
    "SELECT",
    "FROM",
    "WHERE",
    "AND",
    "NOT",
    "IN",
    "AS",
    "NOW",
    "INTERVAL",
    "DAY",
    "HOUR",
    "MINUTE",
    "SUM",
}
FUNCTIONS = {"sumIf", "toDateTime"}


@pytest.mark.parametrize("one", IN_POINTS, ids=lambda one: one.name)
def test_a_query_holds_only_what_analytics_engine_has(one: Promise) -> None:
    columns = {column.column for column in DATA_POINT} | {"timestamp", "_sample_interval"}
    for query in (sql(one, "points"), since_sql(one, "points", 1)):
        assert query is not None
        bare = re.sub(r"'[^']*'", "''", query)
        words = set(re.findall(r"[A-Za-z_]\w*", bare)) - {"points"}
        own = {word for word in words if re.fullmatch(r"(bad|total)_(\d+|since)", word)}
        assert words - own - ALLOWED - FUNCTIONS - columns == set()
        assert bare.count("SELECT") == bare.count("FROM") == 1


def _in_sqlite(query: str) -> str:
    """The same query in another dialect: `NOW()` is 100 days after the epoch."""
    seconds = {"DAY": 86_400, "HOUR": 3_600, "MINUTE": 60}
    query = re.sub(
        r"NOW\(\) - INTERVAL '(\d+)' (\w+)", lambda m: str(8_640_000 - int(m[1]) * seconds[m[2]]), query
    )
    query = re.sub(
        r"sumIf\(_sample_interval, (.*)\) AS", r"TOTAL(CASE WHEN \1 THEN _sample_interval END) AS", query
    )
    return re.sub(r"toDateTime\((\d+)\)", r"\1", query)


def _points(rows: list[dict[str, Any]]) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    names = {column.name: column.column for column in DATA_POINT}
    columns = ["timestamp", "_sample_interval", *names.values()]
    database.execute(f"CREATE TABLE points ({', '.join(columns)})")
    for row in rows:
        values = {"timestamp": row["at"], "_sample_interval": row.get("weight", 1)}
        values |= {
            column: row.get(name, 0 if column.startswith("double") else "") for name, column in names.items()
        }
        places = ", ".join("?" for _ in columns)
        database.execute(f"INSERT INTO points VALUES ({places})", [values[column] for column in columns])  # noqa: S608 (a table of our own, in memory)
    return database


def _ask(one: str, rows: list[dict[str, Any]]) -> dict[str, float]:
    found = next(p for p in IN_POINTS if p.name == one)
    query = sql(found, "points")
    assert query is not None
    with contextlib.closing(_points(rows)) as database:
        cursor = database.execute(_in_sqlite(query))
        return dict(zip((name for name, *_ in cursor.description), cursor.fetchone(), strict=True))


NOW = 8_640_000


def test_availability_over_points_is_weighted_for_sampling() -> None:
    """A point stands for as many requests as its interval says, in each window that it is in."""
    chat = {"route": "/v1/chat/completions"}
    row = _ask(
        "availability",
        [
            {"at": NOW - 10, "outcome": "complete", "weight": 90, **chat},
            {"at": NOW - 10, "outcome": "error", "weight": 10, **chat},
            {"at": NOW - 7_000, "outcome": "truncated", "weight": 5, **chat},
            {"at": NOW - 10, "outcome": "refused", "weight": 50, **chat},
            {"at": NOW - 10, "outcome": "error", "weight": 50, "route": "/health"},
            {"at": NOW - 31 * 86_400, "outcome": "error", "weight": 7, **chat},
        ],
    )
    assert (row["bad_300"], row["total_300"]) == (10, 100)
    assert (row["bad_7200"], row["total_7200"]) == (15, 105)
    assert (row["bad_2592000"], row["total_2592000"]) == (15, 105)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "gateway-overhead-p95",
            {"duration_ms": 300, "upstream_ms": 200},
            {"duration_ms": 301, "upstream_ms": 200},
        ),
        ("time-to-first-chunk", {"stream": 1, "ttfc_ms": 2560}, {"stream": 1, "ttfc_ms": 2561}),
        (
            "token-checks",
            {"auth_reason": "ok", "auth_ms": 10},
            {"auth_reason": "bad_signature", "auth_ms": 11},
        ),
        ("l1-hits", {"cache": "hit-l1", "l1_ms": 5}, {"cache": "hit-l1", "l1_ms": 5.1}),
        ("provider-choice", {"attempts": 1, "route_ms": 10}, {"attempts": 2, "route_ms": 11}),
        ("cache-hits", {"model": "m", "cache": "hit-l2"}, {"model": "m", "cache": "miss"}),
        ("request-cost", {"model": "m", "cost_usd": 0.05}, {"model": "m", "cost_usd": 0.0501}),
        (
            "llm-errors",
            {"model": "m", "cache": "miss", "outcome": "complete"},
            {"model": "m", "cache": "bypass", "outcome": "upstream_error"},
        ),
    ],
)
def test_each_promise_over_points_tells_good_from_bad(name: str, good: Any, bad: Any) -> None:
    row = _ask(name, [{"at": NOW - 1, "weight": 3, **good}, {"at": NOW - 1, **bad}])
    assert (row["bad_300"], row["total_300"]) == (1, 4)


def test_what_was_burned_since_a_deploy_is_counted_from_it_on() -> None:
    found = next(p for p in IN_POINTS if p.name == "availability")
    query = since_sql(found, "points", NOW - 600)
    assert query is not None
    chat = {"route": "/v1/chat/completions", "outcome": "error"}
    rows = [{"at": NOW - 601, "weight": 7, **chat}, {"at": NOW - 10, "weight": 3, **chat}]
    with contextlib.closing(_points(rows)) as database:
        assert database.execute(_in_sqlite(query)).fetchone() == (3, 3)


def test_where_the_good_are_given_all_others_are_bad() -> None:
    ok = PointCondition(value="outcome", operator="in", operands=("complete",))
    small = PointCondition(value="status", operator="<=", operands=(299.0,))
    one = promise(points=Points(total=(), bad=(ok, small), negated=True))
    query = (sql(one, "points") or "").replace("\n  AND ", " AND ")
    rows = [
        {"at": NOW - 1, "outcome": outcome, "status": status}
        for outcome, status in (("complete", 200), ("complete", 400), ("error", 200))
    ]
    with contextlib.closing(_points(rows)) as database:
        cursor = database.execute(_in_sqlite(query))
        row = dict(zip((name for name, *_ in cursor.description), cursor.fetchone(), strict=True))
    assert (row["bad_300"], row["total_300"], row["bad_2592000"]) == (2, 3, 2)


def test_every_window_of_the_rules_is_in_the_query() -> None:
    found = windows_of(IN_POINTS[0])
    assert found == [300, 1_800, 3_600, 7_200, 21_600, 86_400, 259_200, 2_592_000]
