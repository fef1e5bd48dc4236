"""The cache at a glance."""

from __future__ import annotations

from dashboards.boards.cache.queries import SERVED, Q
from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_EXPLORE, TO_MODELS, TO_POINTS
from dashboards.panels import Sized, stat
from dashboards.promql import at_least_zero, ratio, unless, where
from dashboards.targets import at_the_end, prom
from lumigate.catalog import (
    CACHE_LOOKUPS,
    CACHE_OUTCOME,
    CACHE_OUTCOMES,
    CACHE_RESULT,
    CACHE_SAVED_COST,
    CACHE_SAVED_TOKENS,
)


def numbers(limits: Limits) -> list[Sized]:
    asked = Q.rate(CACHE_OUTCOMES, unless(CACHE_OUTCOME, "bypass"))
    served = Q.rate(CACHE_OUTCOMES, where(CACHE_OUTCOME, *SERVED))
    not_fresh = tuple(value for value in SERVED if not value.startswith("hit"))
    return [
        stat(
            "Hit rate",
            "Answers from the cache (fresh, stale or near) among the requests that asked it. Bad: below "
            f"{limits.target('cache-hits'):.0%}, what is promised, or a sudden fall: a deploy changed the keys.",
            prom(ratio(at_least_zero(served), asked)),
            unit="percentunit",
            warning=limits.target("cache-hits"),
            bad=round(1 - 3 * limits.budget("cache-hits"), 9),  # a burn that is a ticket
            falling=True,
            nothing="nobody asks",
            links=limits.links("cache-hits"),
        ),
        stat(
            "Stale or near",
            "Of the answers from the cache, those past their time and those to a question asked otherwise. Bad: most: "
            "entries live too briefly, or the threshold of near matches is too low.",
            prom(
                ratio(
                    at_least_zero(Q.rate(CACHE_OUTCOMES, where(CACHE_OUTCOME, *not_fresh))),
                    served,
                )
            ),
            unit="percentunit",
            warning=0.2,
            bad=0.5,
            nothing="no hits",
            links=TO_POINTS,
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
            "Dollars saved",
            "What hits over the range did not spend again, at what their answers cost the first time. Bad: small "
            "beside what is spent, with many repeated questions.",
            at_the_end(Q.grown(CACHE_SAVED_COST)),
            unit="currencyUSD",
            nothing="no hits",
            links=TO_MODELS,
        ),
        stat(
            "Tokens saved",
            "Tokens of prompts and answers that hits over the range did not send to a model again. Bad: near zero "
            "while the hit rate is high.",
            at_the_end(Q.grown(CACHE_SAVED_TOKENS)),
            unit="short",
            nothing="no hits",
            decimals=0,
            links=TO_MODELS,
        ),
        stat(
            "Failed or skipped now",
            "Lookups a second that a tier answered with an error, or that its open breaker spared it; requests go on "
            "without. Bad: any that last.",
            prom(at_least_zero(Q.rate(CACHE_LOOKUPS, where(CACHE_RESULT, "error", "skipped")))),
            unit="reqps",
            bad=0.1,
            links=TO_EXPLORE,
        ),
    ]
