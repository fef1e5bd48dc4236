"""Explore: Analytics Engine: what metrics cannot say, because tenants, countries and traces are too many for labels."""

from __future__ import annotations

from dashboards import sql
from dashboards.board import Board, Row
from dashboards.boards import uids
from dashboards.links import link
from dashboards.panels import Sized, lines, stat, table
from dashboards.targets import sql_series, sql_table
from dashboards.variables import data_source, dataset, from_points

_FAILED = sql.one_of("outcome", "error", "upstream_error", "truncated")
_REFUSED = sql.one_of("outcome", "refused")
_HIT = sql.one_of("cache", "hit-l1", "hit-l2")
_CHOSEN = (
    sql.chosen("environment", "environment"),
    sql.chosen("tenant", "tenant"),
    sql.chosen("route", "route"),
    sql.chosen("model", "model"),
)
_TO_EXPLORE = [link("Logs and traces", uids.EXPLORE, "")]
_TO_SERVICE = [link("Service overview", uids.SERVICE, "")]
_TO_MODELS = [link("Models", uids.MODELS, "")]
_TO_ACCESS = [link("Access and safety", uids.ACCESS, "")]
_TRACE = ("This trace", f"/d/{uids.EXPLORE}?${{__url_time_range}}&var-trace_id=${{__value.raw}}")
_TENANT = ("Its logs", f"/d/{uids.EXPLORE}?${{__url_time_range}}&var-tenant=${{__value.raw}}")
_UNITS = {
    "requests": "short",
    "failed": "percentunit",
    "hits": "percentunit",
    "p50_ms": "ms",
    "p95_ms": "ms",
    "cost": "currencyUSD",
    "tokens_in": "short",
    "tokens_out": "short",
}


def board(default_dataset: str) -> Board:
    return Board(
        uid=uids.ANALYTICS_ENGINE,
        title="Explore: Analytics Engine",
        description="By tenant, country, data centre, model and version: one point a request, weighted for sampling.",
        tags=("explore", "analytics-engine"),
        since="now-24h",
        refresh="5m",
        variables=[
            data_source("vertamedia-clickhouse-datasource"),
            dataset(default_dataset),
            from_points("environment", "Environment", "environment"),
            from_points("tenant", "Tenant", "tenant"),
            from_points("route", "Route", "route"),
            from_points("model", "Model", "model"),
        ],
        rows=[
            Row(title="At a glance", panels=_numbers()),
            Row(title="Tenants", panels=_tenants()),
            Row(title="Places", panels=_places()),
            Row(title="Models and versions", panels=_models()),
            Row(title="What went wrong", panels=_wrong()),
        ],
    )


def _numbers() -> list[Sized]:
    return [
        _stat("Requests", "Requests in range. Bad: none where there should be some.", sql.REQUESTS, "short"),
        _stat(
            "Failed",
            "Share that ended in our error, a provider's, or a cut answer. Bad: above 0.1 %.",
            sql.share(_FAILED),
            "percentunit",
            0.001,
            0.01,
        ),
        _stat(
            "Refused",
            "Share refused for the caller's mistake. Bad: a jump.",
            sql.share(_REFUSED),
            "percentunit",
            0.1,
            0.5,
        ),
        _stat(
            "p95",
            "95th percentile of the time to the last byte. Bad: above what users wait for.",
            sql.quantile(0.95, "duration_ms"),
            "ms",
            5000,
            10_000,
        ),
        _stat(
            "Cost",
            "Money spent in range. Bad: more than last week's same hours without more requests.",
            sql.total("cost_usd"),
            "currencyUSD",
        ),
        _stat(
            "Estimate from points",
            "Stored points that these figures come from. Bad: few: the sampling error is about one over their root.",
            "SUM(1)",
            "short",
        ),
    ]


def _stat(
    title: str,
    description: str,
    expression: str,
    unit: str,
    warning: float | None = None,
    bad: float | None = None,
) -> Sized:
    query = sql.query({"value": expression}, where=_CHOSEN)
    return stat(title, description, sql_table(query), unit=unit, warning=warning, bad=bad, links=_TO_SERVICE)


def _tenants() -> list[Sized]:
    return [
        table(
            "Tenants",
            "Who uses the gateway, and how it goes for them. Bad: a tenant whose failures or times stand out from the "
            "rest; one that spends most of the money.",
            sql_table(
                sql.query(
                    {
                        "requests": sql.REQUESTS,
                        "failed": sql.share(_FAILED),
                        "hits": sql.share(_HIT),
                        "p50_ms": sql.quantile(0.5, "duration_ms"),
                        "p95_ms": sql.quantile(0.95, "duration_ms"),
                        "tokens_in": sql.total("input_tokens"),
                        "tokens_out": sql.total("output_tokens"),
                        "cost": sql.total("cost_usd"),
                    },
                    by=("tenant",),
                    where=_CHOSEN,
                    order="requests DESC",
                    limit=50,
                )
            ),
            units=_UNITS,
            bars_in={"failed": (0.001, 0.01, False)},
            links_in={"tenant": _TENANT},
            links=_TO_EXPLORE,
        ),
        _over_time(
            "Requests by tenant",
            "Requests by tenant. Bad: one tenant climbs alone: a loop.",
            "requests",
            sql.REQUESTS,
            "tenant",
            "short",
        ),
        _over_time(
            "Cost by tenant",
            "Money by tenant. Bad: one tenant climbs without more requests: longer prompts, a dearer model.",
            "cost",
            sql.total("cost_usd"),
            "tenant",
            "currencyUSD",
        ),
    ]


def _places() -> list[Sized]:
    columns = {
        "requests": sql.REQUESTS,
        "failed": sql.share(_FAILED),
        "p50_ms": sql.quantile(0.5, "duration_ms"),
        "p95_ms": sql.quantile(0.95, "duration_ms"),
    }
    return [
        table(
            title,
            description,
            sql_table(sql.query(columns, by=(by,), where=_CHOSEN, order="requests DESC", limit=50)),
            units=_UNITS,
            bars_in={"failed": (0.001, 0.01, False)},
            width=12,
            links=_TO_EXPLORE,
        )
        for title, by, description in (
            (
                "Countries",
                "country",
                "Requests by the caller's country. Bad: a country that should not be there, or one far slower "
                "than its neighbours.",
            ),
            (
                "Data centres",
                "colo",
                "Requests by Cloudflare data centre. Bad: one with failures of its own: its network or its providers.",
            ),
        )
    ]


def _models() -> list[Sized]:
    return [
        table(
            "Models",
            "Requests by provider and model, cache hits left out. Bad: a model dearer or slower than another that "
            "answers the same name.",
            sql_table(
                sql.query(
                    {
                        "requests": sql.REQUESTS,
                        "failed": sql.share(_FAILED),
                        "first_chunk_p95_ms": sql.quantile(
                            0.95, "ttfc_ms", only=f"{sql.column('ttfc_ms')} > 0"
                        ),
                        "p95_ms": sql.quantile(0.95, "upstream_ms"),
                        "attempts_each": sql.mean("attempts"),
                        "tokens_out": sql.total("output_tokens"),
                        "cost": sql.total("cost_usd"),
                    },
                    by=("provider", "model"),
                    where=[*_CHOSEN, f"{sql.column('attempts')} > 0"],
                    order="cost DESC",
                    limit=50,
                )
            ),
            units={**_UNITS, "first_chunk_p95_ms": "ms", "attempts_each": "short"},
            bars_in={"failed": (0.001, 0.01, False), "attempts_each": (1.05, 1.5, False)},
            width=24,
            links=_TO_MODELS,
        ),
        table(
            "Versions",
            "The same figures by version. Bad: the new version fails or lags beside the old one: roll back.",
            sql_table(
                sql.query(
                    {
                        "requests": sql.REQUESTS,
                        "failed": sql.share(_FAILED),
                        "p95_ms": sql.quantile(0.95, "duration_ms"),
                        "ours_ms": f"{sql.mean('duration_ms')} - {sql.mean('upstream_ms')}",
                    },
                    by=("version",),
                    where=_CHOSEN,
                    order="requests DESC",
                    limit=20,
                )
            ),
            units={**_UNITS, "ours_ms": "ms"},
            bars_in={"failed": (0.001, 0.01, False)},
            width=12,
            links=_TO_SERVICE,
        ),
        _over_time(
            "Answer tokens by model",
            "Tokens in answers by model. Bad: a model nobody should be routed to.",
            "tokens",
            sql.total("output_tokens"),
            "model",
            "short",
        ),
    ]


def _wrong() -> list[Sized]:
    return [
        table(
            "Errors by code and tenant",
            "Error codes, and whose they are. Bad: one code over many tenants is ours or a provider's; many codes of "
            "one tenant are its own.",
            sql_table(
                sql.query(
                    {"requests": sql.REQUESTS, "last_trace": f"argMax({sql.column('trace_id')}, timestamp)"},
                    by=("error_code", "tenant"),
                    where=[*_CHOSEN, f"{sql.column('error_code')} != ''"],
                    order="requests DESC",
                    limit=50,
                )
            ),
            units=_UNITS,
            links_in={"last_trace": _TRACE},
            width=12,
            links=_TO_EXPLORE,
        ),
        table(
            "Denials by reason and country",
            "Callers that were not let in. Bad: one country tries many reasons: somebody tries keys.",
            sql_table(
                sql.query(
                    {"requests": sql.REQUESTS},
                    by=("auth_reason", "country"),
                    where=[_CHOSEN[0], f"{sql.column('auth_reason')} NOT IN ('ok', '')"],
                    order="requests DESC",
                    limit=50,
                )
            ),
            units=_UNITS,
            width=12,
            links=_TO_ACCESS,
        ),
        table(
            "Slowest requests",
            "Single requests with their traces. Bad: the same provider, tenant or route all the way down.",
            sql_table(
                sql.checked(
                    "SELECT\n  timestamp,\n"
                    + ",\n".join(
                        f"  {sql.column(name)} AS {name}"
                        for name in (
                            "trace_id",
                            "tenant",
                            "route",
                            "provider",
                            "model",
                            "outcome",
                            "duration_ms",
                            "upstream_ms",
                        )
                    )
                    + "\nFROM ${dataset}\nWHERE $timeFilter\n  AND "
                    + "\n  AND ".join(_CHOSEN)
                    + f"\nORDER BY {sql.column('duration_ms')} DESC\nLIMIT 30"
                )
            ),
            units={"duration_ms": "ms", "upstream_ms": "ms"},
            links_in={"trace_id": _TRACE, "tenant": _TENANT},
            links=_TO_EXPLORE,
        ),
    ]


def _over_time(title: str, description: str, alias: str, expression: str, by: str, unit: str) -> Sized:
    query = sql.query({alias: expression}, by=(by,), where=_CHOSEN, over_time=True)
    return lines(
        title, description, sql_series(query), unit=unit, colours=None, stacked=True, links=_TO_EXPLORE
    )
