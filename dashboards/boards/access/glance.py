"""Access at a glance."""

from __future__ import annotations

from dashboards.boards.access.queries import Q
from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS
from dashboards.panels import Sized, stat
from dashboards.promql import at_least_zero, ratio, unless, where
from dashboards.targets import at_the_end, prom
from lumigate.catalog import (
    AUTH_CHECKS,
    AUTH_DURATION,
    AUTH_REASON,
    AUTH_RESULT,
    KEY_SET_FETCHES,
    KEY_SET_RESULT,
    LEDGER_DECISIONS,
    LEDGER_LIMIT,
    LIMIT_RESULT,
    POLICY_DECISIONS,
    POLICY_RESULT,
    RATE_LIMIT_DECISIONS,
    REVOCATION_CHECKS,
    REVOCATION_RESULT,
)

_OUR_FAULT = ("keys_unavailable", "store_unavailable")


def numbers(limits: Limits) -> list[Sized]:
    denied = Q.rate(AUTH_CHECKS, where(AUTH_RESULT, "denied"))
    return [
        stat(
            "Denied now",
            "Share of checks that let nobody in. Bad: a jump: a client with an expired secret, or somebody trying "
            "keys.",
            prom(ratio(at_least_zero(denied), Q.rate(AUTH_CHECKS))),
            unit="percentunit",
            warning=0.1,
            bad=0.5,
            nothing="no checks",
            links=TO_POINTS,
        ),
        stat(
            "Denied for want of keys",
            "Checks over the range that failed because keys or the store could not be had. Bad: any: these callers "
            "did nothing wrong.",
            at_the_end(at_least_zero(Q.grown(AUTH_CHECKS, where(AUTH_REASON, *_OUR_FAULT)))),
            unit="short",
            bad=1,
            decimals=0,
            links=TO_EXPLORE,
        ),
        stat(
            "Key fetches failing",
            "Share of the key-set fetches over the range that gave no keys. Bad: above zero for longer than the keys "
            "are good for (a minute fresh, stale ones go on working).",
            at_the_end(
                ratio(
                    at_least_zero(Q.grown(KEY_SET_FETCHES, unless(KEY_SET_RESULT, "ok"))),
                    Q.grown(KEY_SET_FETCHES),
                )
            ),
            unit="percentunit",
            warning=0.01,
            bad=0.5,
            nothing="no fetches",
            links=TO_EXPLORE,
        ),
        stat(
            "Rate limited now",
            "Share of decisions that turned a request away. Bad: above a few percent: a tenant loops, or the limit "
            "is too low.",
            prom(
                ratio(
                    at_least_zero(Q.rate(RATE_LIMIT_DECISIONS, where(LIMIT_RESULT, "limited"))),
                    Q.rate(RATE_LIMIT_DECISIONS),
                )
            ),
            unit="percentunit",
            warning=0.02,
            bad=0.2,
            nothing="no decisions",
            links=TO_POINTS,
        ),
        stat(
            "Limiter not answering",
            "Decisions over the range that the limiter could not make; RATE_LIMIT_FAILURE says whether those requests "
            "pass. Bad: any that last.",
            at_the_end(at_least_zero(Q.grown(RATE_LIMIT_DECISIONS, where(LIMIT_RESULT, "unavailable")))),
            unit="short",
            bad=1,
            decimals=0,
            links=TO_EXPLORE,
        ),
        stat(
            "A check takes, p99",
            "99th percentile of a check, keys fetched included. Bad: above what is promised: "
            f"{limits.words('token-checks')}.",
            prom(Q.quantile(0.99, AUTH_DURATION), exemplar=True),
            unit="s",
            warning=limits.at_most("token-checks"),
            bad=10 * limits.at_most("token-checks"),
            nothing="no checks",
            links=limits.links("token-checks"),
        ),
        stat(
            "Refused for want of budget",
            "Requests over the range that a tenant's ledger refused because its day or month is spent. Bad: a tenant "
            "that did not expect it: look at its spending before it asks.",
            at_the_end(at_least_zero(Q.grown(LEDGER_DECISIONS, where(LEDGER_LIMIT, "day", "month")))),
            unit="short",
            warning=1,
            decimals=0,
            width=6,
            links=TO_POINTS,
        ),
        stat(
            "Refused by an exact limit",
            "Requests over the range beyond a tenant's requests or tokens a minute, or behind its own reservations. "
            "Bad: a tenant that is refused all day: its limit does not fit it.",
            at_the_end(
                at_least_zero(
                    Q.grown(LEDGER_DECISIONS, where(LEDGER_LIMIT, "requests", "tokens", "in_progress"))
                )
            ),
            unit="short",
            warning=1,
            decimals=0,
            width=6,
            links=TO_POINTS,
        ),
        stat(
            "Revoked tokens shown",
            "Tokens over the range that are on the deny list. Bad: many: whoever has them goes on trying.",
            at_the_end(at_least_zero(Q.grown(REVOCATION_CHECKS, where(REVOCATION_RESULT, "revoked")))),
            unit="short",
            warning=1,
            decimals=0,
            width=6,
            links=TO_POINTS,
        ),
        stat(
            "Scopes missing",
            "Requests over the range whose caller was let in and lacks a scope. Bad: a jump after a change of POLICY.",
            at_the_end(at_least_zero(Q.grown(POLICY_DECISIONS, where(POLICY_RESULT, "missing_scope")))),
            unit="short",
            warning=1,
            decimals=0,
            width=6,
            links=TO_POINTS,
        ),
    ]
