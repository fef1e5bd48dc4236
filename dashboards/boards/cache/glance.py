"""The cache at a glance."""

from __future__ import annotations

from dashboards.panels import Sized, stat
from dashboards.promql import at_least_zero, ratio, unless, where
from dashboards.targets import at_the_end, prom
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS, TO_SLO, TO_MODELS
from lumigate.catalog import (CACHE_EVICTIONS, CACHE_LOOKUPS, CACHE_OUTCOME, CACHE_OUTCOMES, CACHE_RESULT, LLM_INPUT_TOKENS, LLM_OUTPUT_TOKENS, REQUEST_COST)
from dashboards.boards.cache.queries import Q

def numbers() -> list[Sized]:
    asked = Q.rate(CACHE_OUTCOMES, unless(CACHE_OUTCOME, "bypass"))
    hits = Q.rate(CACHE_OUTCOMES, where(CACHE_OUTCOME, *HITS))
    answered_hits = Q.grown(CACHE_OUTCOMES, where(CACHE_OUTCOME, *HITS))
    misses = Q.grown(CACHE_OUTCOMES, unless(CACHE_OUTCOME, *HITS))
    spent = Q.grown(REQUEST_COST, part="_sum")
    tokens = f"({Q.grown(LLM_INPUT_TOKENS)} + {Q.grown(LLM_OUTPUT_TOKENS)})"
    return [
        stat(
            "Hit rate",
            "Hits among the requests that asked the cache. Bad: under a third with many repeated "
            "questions, or a sudden fall: a deploy changed the keys.",
            prom(ratio(at_least_zero(hits), asked)),
            unit="percentunit",
            warning=0.3,
            bad=0.1,
            falling=True,
            nothing="nobody asks",
            links=TO_SLO,
        ),
        stat(
            "Past the cache",
            "Requests that must not be cached (temperature, tools, the caller's wish). Bad: most of them; then the "
            "hit rate speaks of a few.",
            prom(
                ratio(
                    at_least_zero(Q.rate(CACHE_OUTCOMES, where(CACHE_OUTCOME, "bypass"))),
                    Q.rate(CACHE_OUTCOMES),
                )
            ),
            unit="percentunit",
            warning=0.5,
            bad=0.9,
            nothing="no requests",
            links=TO_POINTS,
        ),
        stat(
            "Dollars saved, about",
            "Hits over the range times the mean cost of a request that was not one. An estimate: what is asked often "
            "may be cheaper than the rest. Bad: small beside what is spent, with many repeated questions.",
            at_the_end(f"{answered_hits} * {ratio(spent, misses)}"),
            unit="currencyUSD",
            nothing="no hits",
            links=TO_MODELS,
        ),
        stat(
            "Tokens saved, about",
            "Hits over the range times the mean tokens of a request that was not one. An estimate, as the dollars. "
            "Bad: near zero while the hit rate is high.",
            at_the_end(f"{answered_hits} * {ratio(tokens, misses)}"),
            unit="short",
            nothing="no hits",
            decimals=0,
            links=TO_MODELS,
        ),
        stat(
            "Evictions in range",
            "Entries that left isolate memory for want of room. Bad: many with a falling l1 hit rate: raise "
            "CACHE_L1_BYTES.",
            at_the_end(at_least_zero(Q.grown(CACHE_EVICTIONS))),
            unit="short",
            decimals=0,
            links=TO_SLO,
        ),
        stat(
            "Failed lookups now",
            "Lookups a second that a tier answered with an error; the request goes on without it. Bad: any that last.",
            prom(at_least_zero(Q.rate(CACHE_LOOKUPS, where(CACHE_RESULT, "error")))),
            unit="reqps",
            bad=0.1,
            links=TO_EXPLORE,
        ),
    ]
