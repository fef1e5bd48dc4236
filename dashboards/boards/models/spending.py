"""Tokens and money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboards.boards.limits import Limits
from dashboards.boards.models.queries import BY, Q
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS
from dashboards.panels import Sized, heatmap, lines, table
from dashboards.promql import legend, ratio
from dashboards.targets import at_the_end, prom
from lumigate.catalog import (
    COST_SOURCE,
    LLM_CACHE_READ_TOKENS,
    LLM_CACHE_WRITE_TOKENS,
    LLM_COST,
    LLM_DURATION,
    LLM_INPUT_TOKENS,
    LLM_OUTPUT_TOKENS,
    LLM_PRICED,
    LLM_REASONING_TOKENS,
    LLM_UNPRICED,
    PRICE_SOURCE,
    REQUEST_COST,
    TENANT_CLASS,
)
from lumigate.exposition.names import prometheus_label


def tokens() -> list[Sized]:
    return [
        lines(
            "Tokens a second",
            "Prompt and answer tokens, as providers count them. Bad: prompts grow and answers do not: somebody sends "
            "whole documents.",
            prom(Q.rate(LLM_INPUT_TOKENS), "in"),
            prom(Q.rate(LLM_OUTPUT_TOKENS), "out"),
            unit="cps",
            colours=("in", "out"),
            links=TO_POINTS,
        ),
        lines(
            "Speed of writing",
            "Answer tokens for each second that a model's calls took. Bad: a fall with no change of model: the "
            "provider is busy.",
            prom(
                ratio(Q.rate(LLM_OUTPUT_TOKENS, by=BY), Q.rate(LLM_DURATION, by=BY, part="_sum")),
                legend(*BY),
            ),
            unit="cps",
            colours=None,
            links=TO_EXPLORE,
        ),
        lines(
            "Tokens read, written and thought",
            "Prompt tokens that providers read from and wrote to their own caches, answer tokens spent on reasoning. "
            "Bad: writes without reads: the prompts' beginnings change each time, and the discount is lost.",
            prom(Q.rate(LLM_CACHE_READ_TOKENS), "cache read"),
            prom(Q.rate(LLM_CACHE_WRITE_TOKENS), "cache write"),
            prom(Q.rate(LLM_REASONING_TOKENS), "reasoning"),
            unit="cps",
            colours=("cache read", "cache write", "reasoning"),
            links=TO_POINTS,
        ),
    ]


def money(limits: Limits) -> list[Sized]:
    return [
        lines(
            "Dollars an hour by model",
            "The pace of spending. Bad: a step up without more traffic: an expensive model took over.",
            prom(f"3600 * {Q.rate(LLM_COST, by=BY)}", legend(*BY)),
            unit="currencyUSD",
            colours=None,
            stacked=True,
            links=TO_POINTS,
        ),
        heatmap(
            "What requests cost",
            "Requests by their cost. Bad: a growing band above what is promised: "
            f"{limits.words('request-cost')}; look for the tenant in the points.",
            prom(Q.buckets(REQUEST_COST), "{{le}}", exemplar=True),
            unit="currencyUSD",
            links=[*TO_POINTS, limits.runbook("request-cost")],
        ),
        lines(
            "Dollars an hour by class of tenant",
            "The pace of spending by the class that the settings give a tenant. Bad: the free class spends.",
            prom(f"3600 * {Q.rate(LLM_COST, by=(TENANT_CLASS,))}", legend(TENANT_CLASS)),
            unit="currencyUSD",
            colours=None,
            links=TO_POINTS,
        ),
        lines(
            "How the cost is known",
            "Spending by its source. Bad: `estimated` grows: a provider leaves its usage out, and the figure is a "
            "guess.",
            prom(f"3600 * {Q.rate(LLM_COST, by=(COST_SOURCE,))}", legend(COST_SOURCE)),
            unit="currencyUSD",
            colours=sorted(COST_SOURCE.values or ()),
            links=TO_POINTS,
        ),
    ]


def prices(limits: Limits) -> list[Sized]:
    names = {prometheus_label(each.key): name for each, name in zip(BY, ("Provider", "Model"), strict=True)}
    return [
        table(
            "Whose prices",
            "Calls over the range by the prices that their cost was worked out with: the routing table's own "
            "(`settings`), or the built-in table by its version. Bad: a version that is months old; update, or set "
            "prices in the routing table.",
            at_the_end(Q.grown(LLM_PRICED, by=(PRICE_SOURCE,))),
            units={"Calls": "short"},
            transformations=[_organize({prometheus_label(PRICE_SOURCE.key): "Prices", "Value": "Calls"})],
            width=8,
            height=8,
            links=TO_POINTS,
        ),
        lines(
            "Calls by whose prices",
            "Calls a second whose cost was worked out, by the prices used. Bad: two versions of the built-in table "
            "long after a deploy: an old version still answers.",
            prom(Q.rate(LLM_PRICED, by=(PRICE_SOURCE,)), legend(PRICE_SOURCE)),
            unit="reqps",
            colours=None,
            stacked=True,
            width=8,
            links=TO_POINTS,
        ),
        table(
            "Models without a price",
            "Models that were called over the range and have no price. Bad: any: their cost counts as nothing, and "
            "budgets do not see it.",
            at_the_end(f"{Q.grown(LLM_UNPRICED, by=BY)} > 0"),
            units={"Calls": "short"},
            transformations=[_organize({**names, "Value": "Calls"})],
            width=8,
            height=8,
            links=limits.links("request-cost"),
        ),
    ]


def _organize(names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": "organize",
        "options": {"excludeByName": {"Time": True}, "renameByName": dict(names)},
    }
