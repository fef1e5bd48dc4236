"""Models: who answers, how fast, how often not, and for how much, by provider and model."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.board import Board, Row, deploys
from dashboards.boards import uids
from dashboards.boards.limits import Limits
from dashboards.links import link
from dashboards.panels import Sized, heatmap, lines, stat, table
from dashboards.promql import Prom, at_least_zero, legend, ratio, where
from dashboards.targets import at_the_end, prom
from dashboards.variables import metrics_of, model, provider
from lumigate.catalog import (
    ATTEMPT_RESULT,
    COST_SOURCE,
    FALLBACK_REASON,
    GEN_AI_MODEL,
    GEN_AI_PROVIDER,
    LLM_ATTEMPTS,
    LLM_CACHE_READ_TOKENS,
    LLM_CACHE_WRITE_TOKENS,
    LLM_CHUNK_TIME,
    LLM_COST,
    LLM_DURATION,
    LLM_FALLBACKS,
    LLM_FIRST_CHUNK,
    LLM_INPUT_TOKENS,
    LLM_OUTPUT_TOKENS,
    LLM_REASONING_TOKENS,
    LLM_UNPRICED,
    REQUEST_COST,
    ROUTE_DURATION,
    TENANT_CLASS,
)
from lumigate.exposition.names import prometheus_label
from slo.model import Promise

_Q = Prom({"provider": GEN_AI_PROVIDER, "model": GEN_AI_MODEL})
_BY = (GEN_AI_PROVIDER, GEN_AI_MODEL)
_NOT_THEIR_FAULT = ("ok", "client_abort", "hedge_lost", "internal_error")
_FAILED = tuple(sorted((ATTEMPT_RESULT.values or frozenset()) - set(_NOT_THEIR_FAULT)))
_TO_EXPLORE = [link("Logs and traces", uids.EXPLORE, "")]
_TO_POINTS = [link("By tenant and country", uids.ANALYTICS_ENGINE, "")]
_TO_SLO = [link("Promises", uids.SLO)]
_QUANTILES = ((0.5, "p50"), (0.95, "p95"))


def board(promises: Sequence[Promise]) -> Board:
    limits = Limits(promises)
    return Board(
        uid=uids.MODELS,
        title="Models",
        description="Providers and models: requests, errors, time to the first chunk, tokens, cost, fallbacks.",
        tags=("models", "llm"),
        variables=[*metrics_of(), provider(), model()],
        annotations=deploys(),
        rows=[
            Row(title="At a glance", panels=[*_numbers(limits), _table(limits)]),
            Row(title="Calls", panels=_calls(limits)),
            Row(title="Time", panels=_time(limits)),
            Row(title="Tokens", panels=_tokens()),
            Row(title="Money", panels=_money(limits)),
        ],
    )


def _numbers(limits: Limits) -> list[Sized]:
    failed = _Q.rate(LLM_ATTEMPTS, where(ATTEMPT_RESULT, *_FAILED))
    return [
        stat(
            "Calls failing now",
            "Share of model calls that failed by the provider's fault. Bad: above "
            f"{limits.budget('llm-errors'):.2%}, the budget, or above zero for one model only.",
            prom(ratio(at_least_zero(failed), _Q.rate(LLM_ATTEMPTS))),
            unit="percentunit",
            warning=limits.budget("llm-errors"),
            bad=10 * limits.budget("llm-errors"),
            nothing="no calls",
            links=_TO_EXPLORE,
        ),
        stat(
            "First chunk, p95",
            "95th percentile of the time to a stream's first chunk: what a user feels. Bad: above what "
            f"is promised: {limits.words('time-to-first-chunk')}.",
            prom(_Q.quantile(0.95, LLM_FIRST_CHUNK), exemplar=True),
            unit="s",
            warning=limits.at_most("time-to-first-chunk") / 2,
            bad=limits.at_most("time-to-first-chunk"),
            nothing="no streams",
            links=_TO_SLO,
        ),
        stat(
            "Fallbacks a call",
            "Candidates left for the next, for each call. Bad: above 5 %; users wait twice, and pay for it in time.",
            prom(ratio(at_least_zero(_Q.rate(LLM_FALLBACKS)), _Q.rate(LLM_ATTEMPTS))),
            unit="percentunit",
            warning=0.01,
            bad=0.05,
            nothing="no calls",
            links=_TO_EXPLORE,
        ),
        stat(
            "Spent in range",
            "Money spent on model calls over the range. Bad: more than the same hours of last week without more "
            "requests.",
            at_the_end(_Q.grown(LLM_COST)),
            unit="currencyUSD",
            links=_TO_POINTS,
        ),
        stat(
            "A thousand requests cost",
            "Mean cost of a thousand requests with a model, cache hits at zero. Bad: a step up after a change of "
            "routing.",
            prom(f"1000 * {_Q.mean(REQUEST_COST)}"),
            unit="currencyUSD",
            nothing="no requests",
            links=_TO_POINTS,
        ),
        stat(
            "Calls without a price",
            "Model calls over the range whose cost is not known. Bad: any; every figure of money is too low. Add the "
            "model to the routing table.",
            at_the_end(at_least_zero(_Q.grown(LLM_UNPRICED))),
            unit="short",
            bad=1,
            decimals=0,
            links=_TO_SLO,
        ),
    ]


def _table(limits: Limits) -> Sized:
    columns = {
        "Calls": _Q.grown(LLM_ATTEMPTS, by=_BY),
        "Failed": ratio(
            _Q.grown(LLM_ATTEMPTS, where(ATTEMPT_RESULT, *_FAILED), by=_BY), _Q.grown(LLM_ATTEMPTS, by=_BY)
        ),
        "p95": _Q.quantile(0.95, LLM_DURATION, by=_BY, over="$__range"),
        "First chunk p95": _Q.quantile(0.95, LLM_FIRST_CHUNK, by=_BY, over="$__range"),
        "Tokens out": _Q.grown(LLM_OUTPUT_TOKENS, by=_BY),
        "Cost": _Q.grown(LLM_COST, by=_BY),
    }
    names = {f"Value #{chr(ord('A') + index)}": name for index, name in enumerate(columns)}
    names |= {prometheus_label(each.key): name for each, name in zip(_BY, ("Provider", "Model"), strict=True)}
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
        links=_TO_POINTS,
    )


def _calls(limits: Limits) -> list[Sized]:
    return [
        lines(
            "Calls by model",
            "Model calls a second, attempts counted one by one. Bad: a model that vanishes, or one that nobody should "
            "be routed to.",
            prom(_Q.rate(LLM_ATTEMPTS, by=_BY), legend(*_BY)),
            unit="reqps",
            colours=None,
            stacked=True,
            links=_TO_POINTS,
        ),
        lines(
            "What became of the calls",
            "Attempts a second by result. Bad: anything but `ok` that lasts. `upstream_rate_limited` wants a higher "
            "quota, `upstream_refused` a look at the request or the key.",
            prom(_Q.rate(LLM_ATTEMPTS, by=(ATTEMPT_RESULT,)), legend(ATTEMPT_RESULT)),
            unit="reqps",
            colours=sorted(ATTEMPT_RESULT.values or ()),
            links=_TO_EXPLORE,
        ),
        lines(
            "Failures by model",
            "Share of a model's calls that failed by the provider's fault. Bad: one model apart from the rest.",
            prom(
                ratio(
                    _Q.rate(LLM_ATTEMPTS, where(ATTEMPT_RESULT, *_FAILED), by=_BY),
                    _Q.rate(LLM_ATTEMPTS, by=_BY),
                ),
                legend(*_BY),
            ),
            unit="percentunit",
            colours=None,
            warning=limits.budget("llm-errors"),
            bad=10 * limits.budget("llm-errors"),
            links=_TO_EXPLORE,
        ),
        lines(
            "Fallbacks by reason",
            "Candidates left for the next, by whom and why. Bad: steady fallbacks; take the provider out of the "
            "routing table until it is well.",
            prom(
                _Q.rate(LLM_FALLBACKS, by=(GEN_AI_PROVIDER, FALLBACK_REASON)),
                legend(GEN_AI_PROVIDER, FALLBACK_REASON),
            ),
            unit="reqps",
            colours=None,
            links=_TO_EXPLORE,
        ),
    ]


def _time(limits: Limits) -> list[Sized]:
    return [
        lines(
            "Call, to the last byte",
            "Median and 95th percentile of a model call by model; dots are traces. Bad: p95 leaves the median behind.",
            *(
                prom(_Q.quantile(q, LLM_DURATION, by=_BY), f"{name} {legend(*_BY)}", exemplar=True)
                for q, name in _QUANTILES
            ),
            unit="s",
            colours=None,
            links=_TO_EXPLORE,
        ),
        heatmap(
            "Where the time of calls lies",
            "Calls by duration. Bad: a band at a round number of seconds: that is a timeout, not an answer.",
            prom(_Q.buckets(LLM_DURATION), "{{le}}", exemplar=True),
            unit="s",
            links=_TO_EXPLORE,
        ),
        lines(
            "Stream, to the first chunk",
            f"Median and 95th percentile by model. Bad: above what is promised: {limits.words('time-to-first-chunk')}.",
            *(
                prom(_Q.quantile(q, LLM_FIRST_CHUNK, by=_BY), f"{name} {legend(*_BY)}", exemplar=True)
                for q, name in _QUANTILES
            ),
            unit="s",
            colours=None,
            warning=limits.at_most("time-to-first-chunk") / 2,
            bad=limits.at_most("time-to-first-chunk"),
            links=_TO_SLO,
        ),
        lines(
            "Stream, between chunks",
            "95th percentile of the pause before the next chunk. Bad: above a quarter of a second; the text stutters.",
            prom(_Q.quantile(0.95, LLM_CHUNK_TIME, by=_BY), legend(*_BY), exemplar=True),
            unit="s",
            colours=None,
            warning=0.16,
            bad=0.32,
            links=_TO_EXPLORE,
        ),
        lines(
            "Choosing a provider",
            "99th percentile of the time that routing takes; it is arithmetic. Bad: above what is promised: "
            f"{limits.words('provider-choice')}.",
            prom(_Q.quantile(0.99, ROUTE_DURATION), "p99", exemplar=True),
            unit="s",
            colours=("p99",),
            bad=limits.at_most("provider-choice"),
            links=_TO_SLO,
        ),
    ]


def _tokens() -> list[Sized]:
    return [
        lines(
            "Tokens a second",
            "Prompt and answer tokens, as providers count them. Bad: prompts grow and answers do not: somebody sends "
            "whole documents.",
            prom(_Q.rate(LLM_INPUT_TOKENS), "in"),
            prom(_Q.rate(LLM_OUTPUT_TOKENS), "out"),
            unit="cps",
            colours=("in", "out"),
            links=_TO_POINTS,
        ),
        lines(
            "Speed of writing",
            "Answer tokens for each second that a model's calls took. Bad: a fall with no change of model: the "
            "provider is busy.",
            prom(
                ratio(_Q.rate(LLM_OUTPUT_TOKENS, by=_BY), _Q.rate(LLM_DURATION, by=_BY, part="_sum")),
                legend(*_BY),
            ),
            unit="cps",
            colours=None,
            links=_TO_EXPLORE,
        ),
        lines(
            "Tokens read, written and thought",
            "Prompt tokens that providers read from and wrote to their own caches, answer tokens spent on reasoning. "
            "Bad: writes without reads: the prompts' beginnings change each time, and the discount is lost.",
            prom(_Q.rate(LLM_CACHE_READ_TOKENS), "cache read"),
            prom(_Q.rate(LLM_CACHE_WRITE_TOKENS), "cache write"),
            prom(_Q.rate(LLM_REASONING_TOKENS), "reasoning"),
            unit="cps",
            colours=("cache read", "cache write", "reasoning"),
            links=_TO_POINTS,
        ),
    ]


def _money(limits: Limits) -> list[Sized]:
    return [
        lines(
            "Dollars an hour by model",
            "The pace of spending. Bad: a step up without more traffic: an expensive model took over.",
            prom(f"3600 * {_Q.rate(LLM_COST, by=_BY)}", legend(*_BY)),
            unit="currencyUSD",
            colours=None,
            stacked=True,
            links=_TO_POINTS,
        ),
        heatmap(
            "What requests cost",
            "Requests by their cost. Bad: a growing band above what is promised: "
            f"{limits.words('request-cost')}; look for the tenant in the points.",
            prom(_Q.buckets(REQUEST_COST), "{{le}}", exemplar=True),
            unit="currencyUSD",
            links=_TO_POINTS,
        ),
        lines(
            "Dollars an hour by class of tenant",
            "The pace of spending by the class that the settings give a tenant. Bad: the free class spends.",
            prom(f"3600 * {_Q.rate(LLM_COST, by=(TENANT_CLASS,))}", legend(TENANT_CLASS)),
            unit="currencyUSD",
            colours=None,
            links=_TO_POINTS,
        ),
        lines(
            "How the cost is known",
            "Spending by its source. Bad: `estimated` grows: a provider leaves its usage out, and the figure is a "
            "guess.",
            prom(f"3600 * {_Q.rate(LLM_COST, by=(COST_SOURCE,))}", legend(COST_SOURCE)),
            unit="currencyUSD",
            colours=sorted(COST_SOURCE.values or ()),
            links=_TO_POINTS,
        ),
    ]
