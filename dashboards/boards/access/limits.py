"""Walls against abuse, exact limits of tenants, and how much of their budgets they have spent."""

from __future__ import annotations

from dashboards.boards.access.queries import Q
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS
from dashboards.panels import Sized, heatmap, lines
from dashboards.promql import RATE, labels, legend, ratio
from dashboards.targets import prom
from lumigate.catalog import (
    BUDGET_PERIOD,
    BUDGET_SPENT,
    LEDGER_DECISIONS,
    LEDGER_DURATION,
    LEDGER_EXPIRED,
    LEDGER_LIMIT,
    LEDGER_RESULT,
    LEDGER_SETTLEMENTS,
    LIMIT_RESULT,
    LIMIT_WALL,
    RATE_LIMIT_DECISIONS,
    SETTLEMENT,
    TENANT_CLASS,
)

_NEARLY_SPENT = 0.9


def limits() -> list[Sized]:
    return [
        lines(
            "Rate limiter, by wall",
            "Decisions a second of the coarse limits: an address before anything is known of the caller, then its key "
            "or subject. Bad: `limited` for one tenant is its affair, for all ours; `unavailable`: there is no wall, "
            "or nobody passes, by RATE_LIMIT_FAILURE.",
            prom(
                Q.rate(RATE_LIMIT_DECISIONS, by=(LIMIT_WALL, LIMIT_RESULT)),
                legend(LIMIT_WALL, LIMIT_RESULT),
            ),
            unit="cps",
            colours=[
                f"{wall} · {r}" for wall in ("address", "key") for r in sorted(LIMIT_RESULT.values or ())
            ],
            links=TO_POINTS,
        ),
        lines(
            "Exact limits, by what refused",
            "Reservations a second that tenants' ledgers decided, by the limit that refused. Bad: `unavailable`: "
            "requests of limited tenants are refused, or charged later, by LEDGER_FAILURE.",
            prom(
                Q.rate(LEDGER_DECISIONS, by=(LEDGER_RESULT, LEDGER_LIMIT)),
                legend(LEDGER_RESULT, LEDGER_LIMIT),
            ),
            unit="cps",
            colours=[
                "allowed · none",
                *(f"refused · {kind}" for kind in sorted((LEDGER_LIMIT.values or frozenset()) - {"none"})),
                "unavailable · none",
            ],
            links=TO_POINTS,
        ),
        lines(
            "A ledger takes",
            "Median and 99th percentile of asking a tenant's ledger, before a model is called. Bad: above 0.1 s: the "
            "ledger is far from the callers, or one tenant asks it too much.",
            prom(Q.quantile(0.99, LEDGER_DURATION), "p99", exemplar=True),
            prom(Q.quantile(0.5, LEDGER_DURATION), "p50"),
            unit="s",
            colours=("p99", "p50"),
            bad=0.1,
            links=TO_EXPLORE,
        ),
        lines(
            "Settlements and what nobody settled",
            "Reservations by what became of them. Bad: `lost` and `expired`: what was spent is missing in the budget; "
            "`late`: requests outlive LEDGER_LEASE_SECONDS.",
            prom(Q.rate(LEDGER_SETTLEMENTS, by=(SETTLEMENT,)), legend(SETTLEMENT)),
            prom(Q.rate(LEDGER_EXPIRED), "expired"),
            unit="cps",
            colours=[*sorted(SETTLEMENT.values or ()), "expired"],
            links=TO_EXPLORE,
        ),
    ]


def budgets() -> list[Sized]:
    by = (TENANT_CLASS, BUDGET_PERIOD)
    nearly = Q.series(BUDGET_SPENT, part="_bucket", le=_NEARLY_SPENT)
    below = f"sum by ({labels(by)}) (rate({nearly}[{RATE}]))"
    asked = Q.rate(BUDGET_SPENT, by=by, part="_count")
    return [
        lines(
            "Spent of the budget, by class of tenant",
            "Median and 95th percentile of how much of its day's or month's limit a tenant had spent when it asked "
            "for more. Bad: the 95th near 100 % early in the day or month.",
            *(
                prom(Q.quantile(q, BUDGET_SPENT, by=by), f"{name} {legend(*by)}")
                for q, name in ((0.95, "p95"), (0.5, "p50"))
            ),
            unit="percentunit",
            colours=None,
            warning=0.8,
            bad=0.95,
            width=8,
            links=TO_POINTS,
        ),
        lines(
            "Requests of tenants that have spent 90 %",
            "Share of the requests under a budget whose tenant had spent more than nine tenths of it, by class. Bad: "
            "rising: these tenants will be refused; tell them first.",
            prom(ratio(f"({asked} - {below})", asked), legend(*by)),
            unit="percentunit",
            colours=None,
            warning=0.1,
            bad=0.5,
            width=8,
            links=TO_POINTS,
        ),
        heatmap(
            "How much of budgets is spent",
            "Requests by how much of its budget their tenant had spent. Bad: a band at the top.",
            prom(Q.buckets(BUDGET_SPENT), "{{le}}"),
            unit="percentunit",
            width=8,
            links=TO_POINTS,
        ),
    ]
