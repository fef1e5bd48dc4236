"""What the parts of the dashboard share: conditions, units, links of cells, and two shapes of a panel."""

from __future__ import annotations

from dashboards import sql
from dashboards.boards import uids
from dashboards.boards.onward import TO_EXPLORE, TO_SERVICE
from dashboards.panels import Sized, lines, stat
from dashboards.targets import sql_series, sql_table
from lumigate.catalog import CACHE_OUTCOME

FAILED = sql.one_of("outcome", "error", "upstream_error", "truncated")
REFUSED = sql.one_of("outcome", "refused")
SERVED = sql.one_of("cache", *sorted((CACHE_OUTCOME.values or frozenset()) - {"miss", "bypass"}))
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
