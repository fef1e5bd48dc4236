"""Cache: how many answers cost nothing, which tier gives them, and what that saves."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.board import Board, Row, deploys
from dashboards.boards import uids
from dashboards.boards.limits import Limits
from dashboards.links import link
from dashboards.panels import Sized, lines, stat
from dashboards.promql import Prom, at_least_zero, legend, ratio, unless, where
from dashboards.targets import at_the_end, prom
from dashboards.variables import metrics_of, route
from lumigate.catalog import (
    CACHE_DURATION,
    CACHE_EVICTIONS,
    CACHE_LOOKUPS,
    CACHE_OUTCOME,
    CACHE_OUTCOMES,
    CACHE_RESULT,
    CACHE_TIER,
    CACHE_WRITES,
    HTTP_ROUTE,
    LLM_INPUT_TOKENS,
    LLM_OUTPUT_TOKENS,
    REQUEST_COST,
    WRITE_RESULT,
)
from slo.model import Promise

_Q = Prom({"route": HTTP_ROUTE})
_HITS = tuple(sorted(value for value in CACHE_OUTCOME.values or () if value.startswith("hit")))
_TO_SLO = [link("Promises", uids.SLO)]
_TO_MODELS = [link("Models", uids.MODELS)]
_TO_POINTS = [link("By tenant and country", uids.ANALYTICS_ENGINE, "")]
_TO_EXPLORE = [link("Logs and traces", uids.EXPLORE, "")]


def board(promises: Sequence[Promise]) -> Board:
    limits = Limits(promises)
    return Board(
        uid=uids.CACHE,
        title="Cache",
        description="Hits by tier and route, latency by tier, writes, evictions, and what hits save.",
        tags=("cache",),
        variables=[*metrics_of(), route()],
        annotations=deploys(),
        rows=[
            Row(title="At a glance", panels=_numbers()),
            Row(title="Hits", panels=_hits()),
            Row(title="Tiers", panels=_tiers(limits)),
        ],
    )


def _numbers() -> list[Sized]:
    asked = _Q.rate(CACHE_OUTCOMES, unless(CACHE_OUTCOME, "bypass"))
    hits = _Q.rate(CACHE_OUTCOMES, where(CACHE_OUTCOME, *_HITS))
    answered_hits = _Q.grown(CACHE_OUTCOMES, where(CACHE_OUTCOME, *_HITS))
    misses = _Q.grown(CACHE_OUTCOMES, unless(CACHE_OUTCOME, *_HITS))
    spent = _Q.grown(REQUEST_COST, part="_sum")
    tokens = f"({_Q.grown(LLM_INPUT_TOKENS)} + {_Q.grown(LLM_OUTPUT_TOKENS)})"
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
            links=_TO_SLO,
        ),
        stat(
            "Past the cache",
            "Requests that must not be cached (temperature, tools, the caller's wish). Bad: most of them; then the "
            "hit rate speaks of a few.",
            prom(
                ratio(
                    at_least_zero(_Q.rate(CACHE_OUTCOMES, where(CACHE_OUTCOME, "bypass"))),
                    _Q.rate(CACHE_OUTCOMES),
                )
            ),
            unit="percentunit",
            warning=0.5,
            bad=0.9,
            nothing="no requests",
            links=_TO_POINTS,
        ),
        stat(
            "Dollars saved, about",
            "Hits over the range times the mean cost of a request that was not one. An estimate: what is asked often "
            "may be cheaper than the rest. Bad: small beside what is spent, with many repeated questions.",
            at_the_end(f"{answered_hits} * {ratio(spent, misses)}"),
            unit="currencyUSD",
            nothing="no hits",
            links=_TO_MODELS,
        ),
        stat(
            "Tokens saved, about",
            "Hits over the range times the mean tokens of a request that was not one. An estimate, as the dollars. "
            "Bad: near zero while the hit rate is high.",
            at_the_end(f"{answered_hits} * {ratio(tokens, misses)}"),
            unit="short",
            nothing="no hits",
            decimals=0,
            links=_TO_MODELS,
        ),
        stat(
            "Evictions in range",
            "Entries that left isolate memory for want of room. Bad: many with a falling l1 hit rate: raise "
            "CACHE_L1_BYTES.",
            at_the_end(at_least_zero(_Q.grown(CACHE_EVICTIONS))),
            unit="short",
            decimals=0,
            links=_TO_SLO,
        ),
        stat(
            "Failed lookups now",
            "Lookups a second that a tier answered with an error; the request goes on without it. Bad: any that last.",
            prom(at_least_zero(_Q.rate(CACHE_LOOKUPS, where(CACHE_RESULT, "error")))),
            unit="reqps",
            bad=0.1,
            links=_TO_EXPLORE,
        ),
    ]


def _hits() -> list[Sized]:
    by_route = (HTTP_ROUTE,)
    return [
        lines(
            "What the cache said",
            "Requests a second by what all tiers together said. Bad: hits turn into misses at a deploy.",
            prom(_Q.rate(CACHE_OUTCOMES, by=(CACHE_OUTCOME,)), legend(CACHE_OUTCOME)),
            unit="reqps",
            colours=sorted(CACHE_OUTCOME.values or ()),
            stacked=True,
            links=_TO_POINTS,
        ),
        lines(
            "Hit rate by route",
            "Hits among the requests of a route that asked the cache. Bad: one route falls, the others do not.",
            prom(
                ratio(
                    _Q.rate(CACHE_OUTCOMES, where(CACHE_OUTCOME, *_HITS), by=by_route),
                    _Q.rate(CACHE_OUTCOMES, unless(CACHE_OUTCOME, "bypass"), by=by_route),
                ),
                legend(*by_route),
            ),
            unit="percentunit",
            colours=sorted(value for value in HTTP_ROUTE.values or () if value),
            maximum=1,
            links=_TO_SLO,
        ),
        lines(
            "Hit rate by tier",
            "Hits among a tier's lookups; l2 is asked only where l1 had nothing. Bad: l1 near zero: isolates live too "
            "briefly or are too many; l2 near zero: nothing is asked twice.",
            prom(
                ratio(
                    _Q.rate(CACHE_LOOKUPS, where(CACHE_RESULT, "hit"), by=(CACHE_TIER,)),
                    _Q.rate(CACHE_LOOKUPS, by=(CACHE_TIER,)),
                ),
                legend(CACHE_TIER),
            ),
            unit="percentunit",
            colours=sorted(CACHE_TIER.values or ()),
            maximum=1,
            links=_TO_SLO,
        ),
        lines(
            "Lookups by tier and result",
            "Lookups a second. Bad: `error` at all; `expired` beside few hits: entries live too briefly.",
            prom(_Q.rate(CACHE_LOOKUPS, by=(CACHE_TIER, CACHE_RESULT)), legend(CACHE_TIER, CACHE_RESULT)),
            unit="reqps",
            colours=[
                f"{tier} · {result}"
                for tier in ("l1", "l2")
                for result in ("hit", "miss", "expired", "error")
            ],
            links=_TO_EXPLORE,
        ),
    ]


def _tiers(limits: Limits) -> list[Sized]:
    return [
        lines(
            "Time of a lookup by tier",
            "Median and 95th percentile. Bad: l1 above what is promised for its hits: "
            f"{limits.words('l1-hits')}; l2 near the time of a model call.",
            prom(
                _Q.quantile(0.95, CACHE_DURATION, by=(CACHE_TIER,)),
                f"p95 {legend(CACHE_TIER)}",
                exemplar=True,
            ),
            prom(
                _Q.quantile(0.5, CACHE_DURATION, by=(CACHE_TIER,)), f"p50 {legend(CACHE_TIER)}", exemplar=True
            ),
            unit="s",
            colours=("p95 l1", "p95 l2", "p50 l1", "p50 l2"),
            links=_TO_EXPLORE,
        ),
        lines(
            "Writes by tier and result",
            "Answers stored a second. Bad: `refused` (answers too large for the tier) or `error`.",
            prom(_Q.rate(CACHE_WRITES, by=(CACHE_TIER, WRITE_RESULT)), legend(CACHE_TIER, WRITE_RESULT)),
            unit="wps",
            colours=[
                f"{tier} · {result}" for tier in ("l1", "l2") for result in ("stored", "refused", "error")
            ],
            links=_TO_EXPLORE,
        ),
        lines(
            "Evictions",
            "Entries a second that left isolate memory for want of room. Bad: as many as writes: the memory only "
            "churns.",
            prom(_Q.rate(CACHE_EVICTIONS), "evicted"),
            unit="cps",
            colours=("evicted",),
            links=_TO_SLO,
        ),
    ]
