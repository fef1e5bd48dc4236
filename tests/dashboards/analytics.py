"""Analytics Engine on an embedded ClickHouse: the points that the worker wrote, and the plug-in's macros."""

from __future__ import annotations

import contextlib
import importlib
import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

STEP_SECONDS = 10
_TEXTS = {"index1": "String", **{f"blob{number}": "String" for number in range(1, 21)}}
_NUMBERS = {f"double{number}": "Float64" for number in range(1, 21)}
TYPES: Mapping[str, str] = {"timestamp": "DateTime", "_sample_interval": "UInt32", **_TEXTS, **_NUMBERS}


class Engine:
    """One table of points. `ask` fills in what the plug-in and Grafana's variables would.

    A process has one ClickHouse, so `session` is shared, and each engine has a table of its own.
    """

    def __init__(self, session: Any, table: str, points: Iterable[Mapping[str, Any]]) -> None:
        self._session = session
        self._table = f"points.{table}"
        columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
        session.query("CREATE DATABASE IF NOT EXISTS points")
        session.query(f"CREATE TABLE {self._table} ({columns}) ENGINE = MergeTree ORDER BY timestamp")
        lines = "\n".join(json.dumps({name: point[name] for name in TYPES}) for point in points)
        session.query(f"INSERT INTO {self._table} FORMAT JSONEachRow\n{lines}")

    def ask(self, sql: str, **chosen: list[str]) -> list[dict[str, Any]]:
        """Rows by column. Raises RuntimeError with ClickHouse's words."""
        answer = self._session.query(self.filled(sql, **chosen), "JSON")
        rows: list[dict[str, Any]] = json.loads(str(answer))["data"]
        return rows

    def filled(self, sql: str, **chosen: list[str]) -> str:
        """Macros as the plug-in expands them, variables as Grafana does: `All` is every value."""
        text = sql.replace("${dataset}", self._table)
        text = text.replace("$timeFilter", "timestamp >= toDateTime(0) AND timestamp <= NOW()")
        series = f"(intDiv(toUInt32(timestamp), {STEP_SECONDS}) * {STEP_SECONDS}) * 1000"
        text = text.replace("$timeSeries", series)
        for name in re.findall(r"\$\{(\w+):singlequote\}", text):
            values = chosen.get(name) or self._all(name)
            text = text.replace(f"${{{name}:singlequote}}", ",".join(f"'{value}'" for value in values))
        assert "$" not in text, text
        return text

    def _all(self, name: str) -> list[str]:
        from dashboards.sql import column

        found = self.ask(f"SELECT {column(name)} AS value FROM ${{dataset}} GROUP BY value")  # noqa: S608 - a column of the catalog
        return [str(row["value"]) for row in found] or [""]


@contextlib.contextmanager
def clickhouse(folder: Path) -> Iterator[Any]:
    """The embedded server; skips where it cannot be had, which is why nothing else imports it."""
    try:
        Session = importlib.import_module("chdb.session").Session  # noqa: N806 - it is a class
    except ImportError as error:
        pytest.skip(f"chdb is missing: {error}")
    session = Session(str(folder))
    try:
        yield session
    finally:
        session.close()


def sampled(points: Iterable[Mapping[str, Any]], one_in: int, seed: int = 7) -> list[dict[str, Any]]:
    """What is left of the points when only one in so many is stored, and stands for all of them."""
    chance = random.Random(seed)
    return [{**point, "_sample_interval": one_in} for point in points if chance.random() * one_in < 1]
