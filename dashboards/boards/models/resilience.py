"""When a model does not answer: retries, fallbacks, hedges, and the breakers that pass a provider over."""

from __future__ import annotations

from dashboards import palette
from dashboards.boards.limits import Limits
from dashboards.boards.models.queries import BY, Q
from dashboards.boards.onward import TO_EXPLORE
from dashboards.panels import Sized, lines, states, table
from dashboards.promql import RATE, legend, ratio, where
from dashboards.targets import at_the_end, prom
from lumigate.catalog import (
    BREAKER_STATE,
    FALLBACK_REASON,
    GEN_AI_PROVIDER,
    HEDGE_RESULT,
    LLM_ATTEMPTS,
    LLM_BREAKER_TRANSITIONS,
    LLM_FALLBACKS,
    LLM_HEDGES,
    LLM_PASSED_OVER,
    LLM_RETRIES,
)
from lumigate.exposition.names import prometheus_label

_PROVIDER = prometheus_label(GEN_AI_PROVIDER.key)


def panels(limits: Limits) -> list[Sized]:
    runbook = [*TO_EXPLORE, limits.runbook("llm-errors")]
    return [
        lines(
            "Fallbacks by reason",
            "Candidates left for the next, by whom and why. Bad: steady fallbacks; take the provider out of the "
            "routing table until it is well.",
            prom(
                Q.rate(LLM_FALLBACKS, by=(GEN_AI_PROVIDER, FALLBACK_REASON)),
                legend(GEN_AI_PROVIDER, FALLBACK_REASON),
            ),
            unit="reqps",
            colours=None,
            links=runbook,
        ),
        lines(
            "Retries by model",
            "Attempts at a candidate that had failed the same request before, as a share of its calls. Bad: above a "
            "few percent: the provider fails in passing, and users wait for it.",
            prom(ratio(Q.rate(LLM_RETRIES, by=BY), Q.rate(LLM_ATTEMPTS, by=BY)), legend(*BY)),
            unit="percentunit",
            colours=None,
            warning=0.02,
            bad=0.1,
            links=runbook,
        ),
        states(
            "Breakers",
            "One a provider, as any isolate has it: open while requests pass the provider over or its breaker opens, "
            "on probation while a probe is sent. Bad: open for minutes: its requests go to others, or fail.",
            prom(_states(), legend(GEN_AI_PROVIDER)),
            values={
                0: ("closed", palette.GOOD),
                1: ("on probation", palette.WARNING),
                2: ("open", palette.BAD),
            },
            links=runbook,
        ),
        lines(
            "Changes of breakers",
            "How often breakers of isolates opened, let a probe through, and closed again. Bad: `open` without "
            "`closed` after it.",
            prom(
                Q.grown_by_step(LLM_BREAKER_TRANSITIONS, by=(GEN_AI_PROVIDER, BREAKER_STATE)),
                legend(GEN_AI_PROVIDER, BREAKER_STATE),
            ),
            unit="short",
            colours=None,
            bars=True,
            links=runbook,
        ),
        lines(
            "Passed over",
            "Requests a second in which a provider was not asked because its breaker was open. Bad: many, with no "
            "other provider for the same name.",
            prom(Q.rate(LLM_PASSED_OVER, by=(GEN_AI_PROVIDER,)), legend(GEN_AI_PROVIDER)),
            unit="reqps",
            colours=None,
            links=runbook,
        ),
        lines(
            "Hedges",
            "Second calls begun because the first was slow, by what came of them. Bad: many `lost`: each is paid for "
            "and helps nobody; raise HEDGE_AFTER_MS.",
            prom(Q.rate(LLM_HEDGES, by=(HEDGE_RESULT,)), legend(HEDGE_RESULT)),
            unit="reqps",
            colours=sorted(HEDGE_RESULT.values or ()),
            links=TO_EXPLORE,
        ),
        _by_provider(),
    ]


def _states() -> str:
    """2 where a breaker opened or a request passed the provider over within the step, 1 where it was probed, else 0."""
    opened = Q.series(LLM_BREAKER_TRANSITIONS, where(BREAKER_STATE, "open"))
    passed_over = Q.series(LLM_PASSED_OVER)
    is_open = (
        f"(sum by ({_PROVIDER}) (increase({opened}[{RATE}]) or increase({passed_over}[{RATE}])) > bool 0)"
    )
    probed = Q.grown_by_step(
        LLM_BREAKER_TRANSITIONS, where(BREAKER_STATE, "half_open"), by=(GEN_AI_PROVIDER,)
    )
    # a label of its own keeps `or` from taking the second only where the first has nothing
    on_probation = f'label_replace({probed} > bool 0, "state", "probe", "", "")'
    return f"max by ({_PROVIDER}) (2 * {is_open} or {on_probation})"


def _by_provider() -> Sized:
    by = (GEN_AI_PROVIDER,)
    columns = {
        "Calls": Q.grown(LLM_ATTEMPTS, by=by),
        "Left for the next": Q.grown(LLM_FALLBACKS, by=by),
        "Asked again": Q.grown(LLM_RETRIES, by=by),
        "Breaker opened": Q.grown(LLM_BREAKER_TRANSITIONS, where(BREAKER_STATE, "open"), by=by),
        "Breaker closed": Q.grown(LLM_BREAKER_TRANSITIONS, where(BREAKER_STATE, "closed"), by=by),
        "Passed over": Q.grown(LLM_PASSED_OVER, by=by),
        "Hedged with": Q.grown(LLM_HEDGES, by=by),
    }
    names = {f"Value #{chr(ord('A') + index)}": name for index, name in enumerate(columns)}
    return table(
        "Providers and what was done about them",
        "Over the range, by provider. Bad: a provider that is passed over more often than it is asked.",
        *(at_the_end(expression) for expression in columns.values()),
        unit="short",
        transformations=[
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "renameByName": {**names, _PROVIDER: "Provider"},
                },
            },
        ],
        width=12,
        height=8,
        links=TO_EXPLORE,
    )
