"""Token and key checks: results, reasons, time, key sets, revocation, scopes."""

from __future__ import annotations

from dashboards import palette
from dashboards.boards.access.queries import Q
from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS
from dashboards.panels import Sized, lines, states, table
from dashboards.promql import between_400_and_499, legend, unless, where
from dashboards.targets import at_the_end, prom
from lumigate.catalog import (
    AUTH_CHECKS,
    AUTH_DURATION,
    AUTH_METHOD,
    AUTH_REASON,
    AUTH_RESULT,
    ERROR_TYPE,
    HTTP_ROUTE,
    HTTP_STATUS,
    KEY_SET_FETCHES,
    KEY_SET_RESULT,
    OUTCOME,
    OUTCOMES,
    POLICY_DECISIONS,
    POLICY_ON,
    POLICY_RESULT,
    REQUEST_DURATION,
    REVOCATION_CHECKS,
    REVOCATION_RESULT,
)
from lumigate.exposition.names import prometheus_label

_DENIED = sorted((AUTH_REASON.values or frozenset()) - {"ok"})


def checks(limits: Limits) -> list[Sized]:
    return [
        lines(
            "Checks by method and result",
            "Checks a second. Bad: `denied` overtakes `allowed`.",
            prom(Q.rate(AUTH_CHECKS, by=(AUTH_METHOD, AUTH_RESULT)), legend(AUTH_METHOD, AUTH_RESULT)),
            unit="cps",
            colours=[f"{m} · {r}" for m in ("bearer", "api_key", "none") for r in ("allowed", "denied")],
            links=TO_EXPLORE,
        ),
        lines(
            "Denials by reason",
            "Denied checks a second by reason. Bad: `bad_signature` or `unsupported_algorithm` (forgeries), "
            "`unknown_key` after a rotation, `keys_unavailable` (us or the issuer).",
            prom(Q.rate(AUTH_CHECKS, where(AUTH_RESULT, "denied"), by=(AUTH_REASON,)), legend(AUTH_REASON)),
            unit="cps",
            colours=_DENIED,
            stacked=True,
            links=TO_POINTS,
        ),
        lines(
            "Time of a check",
            "Median and 99th percentile by method; dots are traces. Bad: the 99th leaves the milliseconds: keys are "
            "fetched in the way of requests.",
            *(
                prom(
                    Q.quantile(q, AUTH_DURATION, by=(AUTH_METHOD,)),
                    f"{name} {legend(AUTH_METHOD)}",
                    exemplar=True,
                )
                for q, name in ((0.5, "p50"), (0.99, "p99"))
            ),
            unit="s",
            colours=[f"{q} {method}" for q in ("p50", "p99") for method in ("bearer", "api_key", "none")],
            bad=limits.at_most("token-checks"),
            links=limits.links("token-checks"),
        ),
        table(
            "Refusals by code",
            "Refused requests (4xx) over the range by error code. Bad: one code outgrows the rest; a policy's code "
            "tells of the policy, not of the caller.",
            at_the_end(
                "topk(15, "
                + Q.grown(
                    REQUEST_DURATION,
                    unless(ERROR_TYPE, ""),
                    between_400_and_499(HTTP_STATUS),
                    by=(ERROR_TYPE, HTTP_STATUS),
                    part="_count",
                )
                + " > 0)"
            ),
            units={"Requests": "short"},
            transformations=[
                {
                    "id": "organize",
                    "options": {
                        "excludeByName": {"Time": True},
                        "renameByName": {
                            prometheus_label(ERROR_TYPE.key): "Code",
                            prometheus_label(HTTP_STATUS.key): "Status",
                            "Value": "Requests",
                        },
                    },
                }
            ],
            width=12,
            height=8,
            links=TO_EXPLORE,
        ),
        lines(
            "Refused requests by route",
            "Requests a second that were refused for the caller's mistake. Bad: a route that many callers get wrong: "
            "its documentation is.",
            prom(Q.rate(OUTCOMES, where(OUTCOME, "refused"), by=(HTTP_ROUTE,)), legend(HTTP_ROUTE)),
            unit="reqps",
            colours=sorted(value for value in HTTP_ROUTE.values or () if value),
            width=24,
            links=TO_EXPLORE,
        ),
    ]


def keys() -> list[Sized]:
    """What stands behind the checks: issuers' key sets, the deny list, the scopes that the policy asks for."""
    return [
        lines(
            "Key-set fetches by result",
            "Fetches of issuers' keys. Bad: no `ok` for minutes: the keys in use grow old, and new ones are not known.",
            prom(Q.grown_by_step(KEY_SET_FETCHES, by=(KEY_SET_RESULT,)), legend(KEY_SET_RESULT)),
            unit="short",
            colours=sorted(KEY_SET_RESULT.values or ()),
            bars=True,
            links=TO_EXPLORE,
        ),
        states(
            "Key set",
            "Whether fetches of issuers' keys in this step failed: none of them, some, or all. Bad: all of them for "
            "longer than a minute; old keys go on working for JWKS_MAX_STALE_SECONDS, tokens of new ones are refused.",
            prom(
                _key_set(),
                "key set",
            ),
            values={
                0: ("none failed", palette.GOOD),
                1: ("some failed", palette.WARNING),
                2: ("all failed", palette.BAD),
            },
            links=TO_EXPLORE,
        ),
        lines(
            "Deny list",
            "Tokens a second that were looked for among the revoked. Bad: `unavailable`: tokens are refused, or "
            "revoked ones pass, by REVOCATION_FAILURE; a jump of `revoked`: somebody goes on with what was taken away.",
            prom(Q.rate(REVOCATION_CHECKS, by=(REVOCATION_RESULT,)), legend(REVOCATION_RESULT)),
            unit="cps",
            colours=sorted(REVOCATION_RESULT.values or ()),
            links=TO_POINTS,
        ),
        lines(
            "Scopes",
            "Decisions a second on callers who were let in, where a route or a model asks for scopes. Bad: "
            "`missing_scope` after a change of POLICY: a rule asks for what nobody was given.",
            prom(Q.rate(POLICY_DECISIONS, by=(POLICY_ON, POLICY_RESULT)), legend(POLICY_ON, POLICY_RESULT)),
            unit="cps",
            colours=[
                f"{on} · {result}"
                for on in sorted(POLICY_ON.values or ())
                for result in sorted(POLICY_RESULT.values or ())
            ],
            links=TO_POINTS,
        ),
    ]


def _key_set() -> str:
    """0 where no fetch failed, 1 where some did, 2 where all did; also where one kind never happened."""
    fetched = Q.grown_by_step(KEY_SET_FETCHES)
    bad, good = (
        f"(({Q.grown_by_step(KEY_SET_FETCHES, which)} or 0 * {fetched}) > bool 0)"
        for which in (unless(KEY_SET_RESULT, "ok"), where(KEY_SET_RESULT, "ok"))
    )
    return f"{bad} * (2 - {good})"
