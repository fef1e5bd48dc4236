"""What the cache saves: a hit costs nothing, and what its answer cost the first time is known."""

from __future__ import annotations

from dashboards.boards.cache.queries import Q
from dashboards.boards.onward import TO_MODELS, TO_POINTS
from dashboards.panels import Sized, lines
from dashboards.promql import legend, ratio
from dashboards.targets import prom
from lumigate.catalog import (
    CACHE_SAVED_COST,
    CACHE_SAVED_TOKENS,
    GEN_AI_MODEL,
    GEN_AI_PROVIDER,
    LLM_COST,
)

_BY = (GEN_AI_PROVIDER, GEN_AI_MODEL)


def panels() -> list[Sized]:
    saved, spent = Q.rate(CACHE_SAVED_COST), Q.rate(LLM_COST)
    return [
        lines(
            "Dollars an hour saved, by model",
            "What hits did not spend again, at what their answers cost the first time. Bad: a fall with no fall in "
            "traffic: what was repeated no longer hits.",
            prom(f"3600 * {Q.rate(CACHE_SAVED_COST, by=_BY)}", legend(*_BY)),
            unit="currencyUSD",
            colours=None,
            stacked=True,
            width=8,
            links=TO_MODELS,
        ),
        lines(
            "Tokens a second saved, by model",
            "Tokens of prompts and answers that hits did not send to a model again. Bad: a fall with no fall in "
            "traffic.",
            prom(Q.rate(CACHE_SAVED_TOKENS, by=_BY), legend(*_BY)),
            unit="cps",
            colours=None,
            stacked=True,
            width=8,
            links=TO_MODELS,
        ),
        lines(
            "Saved of what it would have cost",
            "Share of the bill that the cache keeps away. Bad: far below the hit rate: only cheap answers repeat.",
            prom(ratio(saved, f"({saved} + {spent})"), "saved"),
            unit="percentunit",
            colours=("saved",),
            maximum=1,
            width=8,
            links=TO_POINTS,
        ),
    ]
