"""Model calls: how many, what became of them."""

from __future__ import annotations

from dashboards.boards.limits import Limits
from dashboards.boards.models.queries import BY, FAILED, Q
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS
from dashboards.panels import Sized, lines
from dashboards.promql import legend, ratio, where
from dashboards.targets import prom
from lumigate.catalog import ATTEMPT_RESULT, LLM_ATTEMPTS


def calls(limits: Limits) -> list[Sized]:
    return [
        lines(
            "Calls by model",
            "Model calls a second, attempts counted one by one. Bad: a model that vanishes, or one that nobody should "
            "be routed to.",
            prom(Q.rate(LLM_ATTEMPTS, by=BY), legend(*BY)),
            unit="reqps",
            colours=None,
            stacked=True,
            links=TO_POINTS,
        ),
        lines(
            "What became of the calls",
            "Attempts a second by result. Bad: anything but `ok` that lasts. `upstream_rate_limited` wants a higher "
            "quota, `upstream_refused` a look at the request or the key.",
            prom(Q.rate(LLM_ATTEMPTS, by=(ATTEMPT_RESULT,)), legend(ATTEMPT_RESULT)),
            unit="reqps",
            colours=sorted(ATTEMPT_RESULT.values or ()),
            links=TO_EXPLORE,
        ),
        lines(
            "Failures by model",
            "Share of a model's calls that failed by the provider's fault. Bad: one model apart from the rest.",
            prom(
                ratio(
                    Q.rate(LLM_ATTEMPTS, where(ATTEMPT_RESULT, *FAILED), by=BY),
                    Q.rate(LLM_ATTEMPTS, by=BY),
                ),
                legend(*BY),
            ),
            unit="percentunit",
            colours=None,
            warning=limits.budget("llm-errors"),
            bad=10 * limits.budget("llm-errors"),
            links=[*TO_EXPLORE, limits.runbook("llm-errors")],
        ),
    ]
