"""The figures that are looked at first."""

from __future__ import annotations

from dashboards import sql
from dashboards.boards.analytics_engine.queries import FAILED, REFUSED, number
from dashboards.panels import Sized


def numbers() -> list[Sized]:
    return [
        number("Requests", "Requests in range. Bad: none where there should be some.", sql.REQUESTS, "short"),
        number(
            "Failed",
            "Share that ended in our error, a provider's, or a cut answer. Bad: above 0.1 %.",
            sql.share(FAILED),
            "percentunit",
            0.001,
            0.01,
        ),
        number(
            "Refused",
            "Share refused for the caller's mistake. Bad: a jump.",
            sql.share(REFUSED),
            "percentunit",
            0.1,
            0.5,
        ),
        number(
            "p95",
            "95th percentile of the time to the last byte. Bad: above what users wait for.",
            sql.quantile(0.95, "duration_ms"),
            "ms",
            5000,
            10_000,
        ),
        number(
            "Cost",
            "Money spent in range. Bad: more than last week's same hours without more requests.",
            sql.total("cost_usd"),
            "currencyUSD",
        ),
        number(
            "Estimate from points",
            "Stored points that these figures come from. Bad: few: the sampling error is about one over their root.",
            "SUM(1)",
            "short",
        ),
    ]
