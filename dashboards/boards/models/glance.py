"""Models at a glance: the figures that are looked at first, and all models side by side."""

from __future__ import annotations

from dashboards.boards import uids
from dashboards.boards.limits import Limits
from dashboards.boards.models.queries import BY, FAILED, Q
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS, TO_SLO
from dashboards.panels import Sized, stat, table
from dashboards.promql import at_least_zero, ratio, where
from dashboards.targets import at_the_end, prom
from lumigate.catalog import (
    ATTEMPT_RESULT,
    LLM_ATTEMPTS,
    LLM_COST,
    LLM_DURATION,
    LLM_FALLBACKS,
    LLM_FIRST_CHUNK,
    LLM_OUTPUT_TOKENS,
    LLM_UNPRICED,
    REQUEST_COST,
)
from lumigate.exposition.names import prometheus_label


def numbers(limits: Limits) -> list[Sized]:
    failed = Q.rate(LLM_ATTEMPTS, where(ATTEMPT_RESULT, *FAILED))
    return [
        stat(
            "Calls failing now",
            "Share of model calls that failed by the provider's fault. Bad: above "
            f"{limits.budget('llm-errors'):.2%}, the budget, or above zero for one model only.",
            prom(ratio(at_least_zero(failed), Q.rate(LLM_ATTEMPTS))),
            unit="percentunit",
            warning=limits.budget("llm-errors"),
            bad=10 * limits.budget("llm-errors"),
            nothing="no calls",
            links=[*TO_EXPLORE, limits.runbook("llm-errors")],
        ),
        stat(
            "First chunk, p95",
            "95th percentile of the time to a stream's first chunk: what a user feels. Bad: above what "
            f"is promised: {limits.words('time-to-first-chunk')}.",
            prom(Q.quantile(0.95, LLM_FIRST_CHUNK), exemplar=True),
            unit="s",
            warning=limits.at_most("time-to-first-chunk") / 2,
            bad=limits.at_most("time-to-first-chunk"),
            nothing="no streams",
            links=limits.links("time-to-first-chunk"),
        ),
        stat(
            "Fallbacks a call",
            "Candidates left for the next, for each call. Bad: above 5 %; users wait twice, and pay for it in time.",
            prom(ratio(at_least_zero(Q.rate(LLM_FALLBACKS)), Q.rate(LLM_ATTEMPTS))),
            unit="percentunit",
            warning=0.01,
            bad=0.05,
            nothing="no calls",
            links=TO_EXPLORE,
        ),
        stat(
            "Spent in range",
            "Money spent on model calls over the range. Bad: more than the same hours of last week without more "
            "requests.",
            at_the_end(Q.grown(LLM_COST)),
            unit="currencyUSD",
            links=TO_POINTS,
        ),
        stat(
            "A thousand requests cost",
            "Mean cost of a thousand requests with a model, cache hits at zero. Bad: a step up after a change of "
            "routing.",
            prom(f"1000 * {Q.mean(REQUEST_COST)}"),
            unit="currencyUSD",
            nothing="no requests",
            links=TO_POINTS,
        ),
        stat(
            "Calls without a price",
            "Model calls over the range whose cost is not known. Bad: any; every figure of money is too low. Add the "
            "model to the routing table.",
            at_the_end(at_least_zero(Q.grown(LLM_UNPRICED))),
            unit="short",
            bad=1,
            decimals=0,
            links=TO_SLO,
        ),
    ]


def side_by_side(limits: Limits) -> Sized:
    columns = {
        "Calls": Q.grown(LLM_ATTEMPTS, by=BY),
        "Failed": ratio(
            Q.grown(LLM_ATTEMPTS, where(ATTEMPT_RESULT, *FAILED), by=BY), Q.grown(LLM_ATTEMPTS, by=BY)
        ),
        "p95": Q.quantile(0.95, LLM_DURATION, by=BY, over="$__range"),
        "First chunk p95": Q.quantile(0.95, LLM_FIRST_CHUNK, by=BY, over="$__range"),
        "Tokens out": Q.grown(LLM_OUTPUT_TOKENS, by=BY),
        "Cost": Q.grown(LLM_COST, by=BY),
    }
    names = {f"Value #{chr(ord('A') + index)}": name for index, name in enumerate(columns)}
    names |= {prometheus_label(each.key): name for each, name in zip(BY, ("Provider", "Model"), strict=True)}
    return table(
        "Models side by side",
        "Every model over the range. Bad: one whose failures or times stand out; compare it with the same model at "
        "another provider.",
        *(at_the_end(expression) for expression in columns.values()),
        units={
            "Calls": "short",
            "Failed": "percentunit",
            "p95": "s",
            "First chunk p95": "s",
            "Tokens out": "short",
            "Cost": "currencyUSD",
        },
        bars_in={
            "Failed": (limits.budget("llm-errors"), 10 * limits.budget("llm-errors"), False),
            "First chunk p95": (None, limits.at_most("time-to-first-chunk"), False),
        },
        transformations=[
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}},
        ],
        links_in={
            "Model": ("Only this model", f"/d/{uids.MODELS}?${{__url_time_range}}&var-model=${{__value.raw}}")
        },
        links=TO_POINTS,
    )
