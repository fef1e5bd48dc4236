"""Tenants, countries and data centres: who uses the gateway, from where, and how it goes for them."""

from __future__ import annotations

from dashboards import sql
from dashboards.boards.analytics_engine.queries import CHOSEN, FAILED, SERVED, TENANT, UNITS, over_time
from dashboards.boards.onward import TO_EXPLORE
from dashboards.panels import Sized, table
from dashboards.targets import sql_table


def tenants() -> list[Sized]:
    return [
        table(
            "Tenants",
            "Who uses the gateway, and how it goes for them. Bad: a tenant whose failures or times stand out from the "
            "rest; one that spends most of the money.",
            sql_table(
                sql.query(
                    {
                        "requests": sql.REQUESTS,
                        "failed": sql.share(FAILED),
                        "hits": sql.share(SERVED),
                        "p50_ms": sql.quantile(0.5, "duration_ms"),
                        "p95_ms": sql.quantile(0.95, "duration_ms"),
                        "tokens_in": sql.total("input_tokens"),
                        "tokens_out": sql.total("output_tokens"),
                        "cost": sql.total("cost_usd"),
                    },
                    by=("tenant",),
                    where=CHOSEN,
                    order="requests DESC",
                    limit=50,
                )
            ),
            units=UNITS,
            bars_in={"failed": (0.001, 0.01, False)},
            links_in={"tenant": TENANT},
            links=TO_EXPLORE,
        ),
        over_time(
            "Requests by tenant",
            "Requests by tenant. Bad: one tenant climbs alone: a loop.",
            "requests",
            sql.REQUESTS,
            "tenant",
            "short",
        ),
        over_time(
            "Cost by tenant",
            "Money by tenant. Bad: one tenant climbs without more requests: longer prompts, a dearer model.",
            "cost",
            sql.total("cost_usd"),
            "tenant",
            "currencyUSD",
        ),
    ]


def places() -> list[Sized]:
    columns = {
        "requests": sql.REQUESTS,
        "failed": sql.share(FAILED),
        "p50_ms": sql.quantile(0.5, "duration_ms"),
        "p95_ms": sql.quantile(0.95, "duration_ms"),
    }
    return [
        table(
            title,
            description,
            sql_table(sql.query(columns, by=(by,), where=CHOSEN, order="requests DESC", limit=50)),
            units=UNITS,
            bars_in={"failed": (0.001, 0.01, False)},
            width=12,
            links=TO_EXPLORE,
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
