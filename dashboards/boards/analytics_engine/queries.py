"""What the parts of the dashboard share: conditions, units, links of cells, and two shapes of a panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dashboards.panels import Sized, lines, stat, logs, trace
from dashboards.promql import where
from dashboards.targets import sql_series, sql_table
from dashboards import sql
from dashboards.boards import uids

FAILED = sql.one_of("outcome", "error", "upstream_error", "truncated")
REFUSED = sql.one_of("outcome", "refused")
HIT = sql.one_of("cache", "hit-l1", "hit-l2")
CHOSEN = (
    sql.chosen("environment", "environment"),
    sql.chosen("tenant", "tenant"),
    sql.chosen("route", "route"),
    sql.chosen("model", "model"),
)
TRACE = ("This trace", f"/d/{uids.EXPLORE}?${{__url_time_range}}&var-trace_id=${{__value.raw}}")
TENANT = ("Its logs", f"/d/{uids.EXPLORE}?${{__url_time_range}}&var-tenant=${{__value.raw}}")
UNITS = {
    "requests": "short",
    "failed": "percentunit",
    "hits": "percentunit",
    "p50_ms": "ms",
    "p95_ms": "ms",
    "cost": "currencyUSD",
    "tokens_in": "short",
    "tokens_out": "short",
}


def number(
    title: str,
    description: str,
    expression: str,
    unit: str,
    warning: float | None = None,
    bad: float | None = None,
) -> Sized:
    query = sql.query({"value": expression}, where=CHOSEN)
    return stat(title, description, sql_table(query), unit=unit, warning=warning, bad=bad, links=TO_SERVICE)


def over_time(title: str, description: str, alias: str, expression: str, by: str, unit: str) -> Sized:
    query = sql.query({alias: expression}, by=(by,), where=CHOSEN, over_time=True)
    return lines(
        title, description, sql_series(query), unit=unit, colours=None, stacked=True, links=TO_EXPLORE
    )
