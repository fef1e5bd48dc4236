"""Queries of a panel as Grafana stores them: data source, text, format; grafanalib's `Target` knows none of this."""

from __future__ import annotations

from typing import Any, Final

from grafanalib.core import Target

PROMETHEUS: Final = {"type": "prometheus", "uid": "${prometheus_datasource}"}
LOKI: Final = {"type": "loki", "uid": "${loki_datasource}"}
TEMPO: Final = {"type": "tempo", "uid": "${tempo_datasource}"}
CLICKHOUSE: Final = {"type": "vertamedia-clickhouse-datasource", "uid": "${clickhouse_datasource}"}
DATA_SOURCES: Final = {each["type"]: each for each in (PROMETHEUS, LOKI, TEMPO, CLICKHOUSE)}


class PromTarget(Target):  # type: ignore[misc]  # grafanalib carries no types
    """PromQL over the range, or (`instant`) at its end as a table."""

    exemplar = False

    def to_json_data(self) -> dict[str, Any]:
        return {
            "datasource": PROMETHEUS,
            "editorMode": "code",
            "exemplar": self.exemplar,
            "expr": self.expr,
            "format": "table" if self.instant else self.format,
            "instant": self.instant,
            "legendFormat": self.legendFormat,
            "range": not self.instant,
            "refId": self.refId,
        }


class LokiTarget(Target):  # type: ignore[misc]
    """LogQL."""

    def to_json_data(self) -> dict[str, Any]:
        return {
            "datasource": LOKI,
            "editorMode": "code",
            "expr": self.expr,
            "legendFormat": self.legendFormat,
            "queryType": "range",
            "refId": self.refId,
        }


class TempoTarget(Target):  # type: ignore[misc]
    """TraceQL, or one trace by its id."""

    def to_json_data(self) -> dict[str, Any]:
        return {
            "datasource": TEMPO,
            "limit": 50,
            "query": self.expr,
            "queryType": "traceql",
            "refId": self.refId,
            "tableType": "traces",
        }


class SqlTarget(Target):  # type: ignore[misc]
    """Analytics Engine SQL by way of the ClickHouse plug-in."""

    def to_json_data(self) -> dict[str, Any]:
        return {
            "datasource": CLICKHOUSE,
            "dateTimeColDataType": "timestamp",
            "dateTimeType": "DATETIME",
            "editorMode": "sql",
            "extrapolate": False,
            "format": self.format,
            "query": self.expr,
            "rawQuery": True,
            "refId": self.refId,
            "round": "0s",
            "skip_comments": True,
        }


def prom(expression: str, legend: str = "", *, exemplar: bool = False) -> PromTarget:
    target = PromTarget(expr=expression, legendFormat=legend or "__auto")
    target.exemplar = exemplar
    return target


def at_the_end(expression: str, legend: str = "") -> PromTarget:
    return PromTarget(expr=expression, legendFormat=legend, instant=True)


def loki(expression: str, legend: str = "") -> LokiTarget:
    return LokiTarget(expr=expression, legendFormat=legend)


def tempo(query: str) -> TempoTarget:
    return TempoTarget(expr=query)


def sql_table(query: str) -> SqlTarget:
    return SqlTarget(expr=query, format="table")


def sql_series(query: str) -> SqlTarget:
    return SqlTarget(expr=query, format="time_series")


def lettered(targets: tuple[Target, ...]) -> list[Target]:
    """With refIds A, B, C …"""
    for index, target in enumerate(targets):
        target.refId = chr(ord("A") + index)
    return list(targets)


def data_source(targets: tuple[Target, ...]) -> dict[str, str]:
    """The one data source of a panel's targets."""
    found = {target.to_json_data()["datasource"]["type"] for target in targets}
    if len(found) != 1:
        raise ValueError(f"a panel asks {sorted(found) or 'nothing'}: one data source each")
    return DATA_SOURCES[found.pop()]
