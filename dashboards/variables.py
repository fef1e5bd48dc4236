"""Dashboard variables: data sources, environment and job on every one; attributes where the metrics have them."""

from __future__ import annotations

from typing import Any, Final

from dashboards import sql
from dashboards.explore import SERVICE
from dashboards.targets import CLICKHOUSE, DATA_SOURCES, LOKI, PROMETHEUS
from lumigate.catalog import GEN_AI_MODEL, GEN_AI_PROVIDER, HTTP_ROUTE, LLM_ATTEMPTS, OUTCOMES
from lumigate.exposition.names import prometheus_label, prometheus_name
from lumigate.telemetry.schema import Attribute, Metric
from slo import records

type Variable = dict[str, Any]

_LABELS: Final = {
    "prometheus": ("prometheus_datasource", "Prometheus data source"),
    "loki": ("loki_datasource", "Loki data source"),
    "tempo": ("tempo_datasource", "Tempo data source"),
    "vertamedia-clickhouse-datasource": ("clickhouse_datasource", "ClickHouse data source"),
}
RESOURCE: Final = "target_info"
"""The series in which Prometheus keeps a resource's attributes."""
ENVIRONMENT_LABEL: Final = prometheus_label("deployment.environment.name")
_OURS: Final = 'telemetry_sdk_name="lumigate"'
_ON_TIME_CHANGE: Final = 2
_EVERYTHING: Final = {"selected": True, "text": ["All"], "value": ["$__all"]}


def data_source(kind: str) -> Variable:
    """`prometheus`, `loki`, `tempo` or the ClickHouse plug-in's."""
    name, label = _LABELS[kind]
    assert kind in DATA_SOURCES
    return {
        "type": "datasource",
        "name": name,
        "label": label,
        "query": kind,
        "refresh": 1,
        "regex": "",
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "current": {},
    }


def metrics_of(kind: str = "prometheus") -> list[Variable]:
    """Data source, environment and job: what every metrics dashboard starts with."""
    environment = f"label_values({RESOURCE}{{{_OURS}}}, {ENVIRONMENT_LABEL})"
    job = f'label_values({RESOURCE}{{{_OURS}, {ENVIRONMENT_LABEL}=~"$environment"}}, job)'
    return [
        data_source(kind),
        _prometheus("environment", "Environment", environment),
        _prometheus("job", "Job", job),
    ]


def route() -> Variable:
    return _of("route", "Route", OUTCOMES, HTTP_ROUTE)


def provider() -> Variable:
    return _of("provider", "Provider", LLM_ATTEMPTS, GEN_AI_PROVIDER)


def model() -> Variable:
    return _of("model", "Model", LLM_ATTEMPTS, GEN_AI_MODEL)


def service() -> Variable:
    return _prometheus(
        "service", "Service", f"label_values({records.OBJECTIVE}, {records.SERVICE})", everything=".+"
    )


def promise() -> Variable:
    query = f'label_values({records.OBJECTIVE}{{{records.SERVICE}=~"$service"}}, {records.SLO})'
    return _prometheus("slo", "Promise", query, everything=".+")


def dataset(default: str) -> Variable:
    """The Analytics Engine dataset; `wrangler.toml` names one for each environment."""
    return _text("dataset", "Dataset", default)


def text(name: str, label: str) -> Variable:
    """Typed by hand; empty at first."""
    return _text(name, label, "")


def from_points(name: str, label: str, column: str) -> Variable:
    """The values that a text of the data point had lately."""
    lately = "WHERE timestamp > NOW() - INTERVAL '1' DAY"
    select = f"SELECT {sql.column(column)} AS {column} FROM ${{dataset}}"  # noqa: S608 - columns of the catalog
    query = f"{select} {lately} GROUP BY {column} ORDER BY {column}"
    return {**_query(name, label, sql.checked(query), None), "datasource": CLICKHOUSE, "query": query}


def log_service() -> Variable:
    found = _query("service", "Service", "", ".+")
    query = {
        "label": "service_name",
        "refId": "Loki",
        "stream": SERVICE.replace('=~"$service"', '=~".+"'),
        "type": 1,
    }
    return {**found, "datasource": LOKI, "query": query}


def _of(name: str, label: str, metric: Metric, attribute: Attribute) -> Variable:
    key = prometheus_label(attribute.key)
    # `.*` and not `.+`: a request that matched no route has no such label
    return _prometheus(
        name, label, f'label_values({prometheus_name(metric)}{{job=~"$job"}}, {key})', everything=".*"
    )


def _prometheus(name: str, label: str, query: str, everything: str | None = None) -> Variable:
    found = _query(name, label, query, everything)
    request = {"qryType": 5, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"}
    return {**found, "datasource": PROMETHEUS, "definition": query, "query": request}


def _query(name: str, label: str, definition: str, everything: str | None) -> Variable:
    found: Variable = {
        "type": "query",
        "name": name,
        "label": label,
        "definition": definition,
        "refresh": _ON_TIME_CHANGE,
        "regex": "",
        "sort": 1,
        "hide": 0,
        "includeAll": True,
        "multi": True,
        "options": [],
        "current": dict(_EVERYTHING),
    }
    return found if everything is None else {**found, "allValue": everything}


def _text(name: str, label: str, value: str) -> Variable:
    chosen = {"selected": True, "text": value, "value": value}
    return {
        "type": "textbox",
        "name": name,
        "label": label,
        "query": value,
        "hide": 0,
        "current": chosen,
        "options": [chosen],
    }
