"""Rate limits, exact limits and budgets."""

from __future__ import annotations

from dashboards.panels import Sized, lines
from dashboards.promql import legend, where
from dashboards.targets import prom
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS
from lumigate.catalog import (HTTP_ROUTE, KEY_SET_FETCHES, KEY_SET_RESULT, LIMIT_RESULT, OUTCOME, OUTCOMES, RATE_LIMIT_DECISIONS)
from dashboards.boards.access.queries import Q

def keys_and_limits() -> list[Sized]:
    return [
        lines(
            "Key-set fetches by result",
            "Fetches of the issuer's keys. Bad: no `ok` for minutes: the keys in use grow old, and new ones are not "
            "known.",
            prom(Q.grown_by_step(KEY_SET_FETCHES, by=(KEY_SET_RESULT,)), legend(KEY_SET_RESULT)),
            unit="short",
            colours=sorted(KEY_SET_RESULT.values or ()),
            bars=True,
            links=TO_EXPLORE,
        ),
        lines(
            "Rate limiter",
            "Decisions a second. Bad: `limited` for one tenant is its affair, for all ours; `unavailable` lets "
            "everybody pass.",
            prom(Q.rate(RATE_LIMIT_DECISIONS, by=(LIMIT_RESULT,)), legend(LIMIT_RESULT)),
            unit="cps",
            colours=sorted(LIMIT_RESULT.values or ()),
            links=TO_POINTS,
        ),
        lines(
            "Refused requests by route",
            "Requests a second that were refused for the caller's mistake. Bad: a route that many callers get wrong: "
            "its documentation is.",
            prom(Q.rate(OUTCOMES, where(OUTCOME, "refused"), by=(HTTP_ROUTE,)), legend(HTTP_ROUTE)),
            unit="reqps",
            colours=sorted(value for value in HTTP_ROUTE.values or () if value),
            links=TO_EXPLORE,
        ),
    ]
