"""Access and safety: who is let in, who is not and why, and whether the keys and limits behind it work."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.board import Board, Row, deploys
from dashboards.boards import uids
from dashboards.boards.limits import Limits
from dashboards.links import link
from dashboards.panels import Sized, lines, stat, table
from dashboards.promql import Prom, at_least_zero, legend, ratio, unless, where
from dashboards.targets import at_the_end, prom
from dashboards.variables import metrics_of, route
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
    LIMIT_RESULT,
    OUTCOME,
    OUTCOMES,
    PERSONAL_DATA_DURATION,
    PERSONAL_DATA_FINDINGS,
    PERSONAL_DATA_KIND,
    RATE_LIMIT_DECISIONS,
    REQUEST_DURATION,
)
from lumigate.errors import CostCeilingExceeded, GeoDenied, PersonalDataRefused
from lumigate.exposition.names import prometheus_label
from slo.model import Promise

_Q = Prom({"route": HTTP_ROUTE})
_OUR_FAULT = ("keys_unavailable", "store_unavailable")
_DENIED = sorted((AUTH_REASON.values or frozenset()) - {"ok"})
_TO_POINTS = [link("By tenant and country", uids.ANALYTICS_ENGINE, "")]
_TO_EXPLORE = [link("Logs and traces", uids.EXPLORE, "")]
_TO_SLO = [link("Promises", uids.SLO)]


def board(promises: Sequence[Promise]) -> Board:
    limits = Limits(promises)
    return Board(
        uid=uids.ACCESS,
        title="Access and safety",
        description="Token checks by result and reason, the health of the key set, rate limits, refusals.",
        tags=("access", "auth"),
        variables=[*metrics_of(), route()],
        annotations=deploys(),
        rows=[
            Row(title="At a glance", panels=_numbers(limits)),
            Row(title="Checks", panels=_checks(limits)),
            Row(title="Keys and limits", panels=_keys_and_limits()),
            Row(title="Safety", panels=_safety(limits)),
        ],
    )


def _numbers(limits: Limits) -> list[Sized]:
    denied = _Q.rate(AUTH_CHECKS, where(AUTH_RESULT, "denied"))
    return [
        stat(
            "Denied now",
            "Share of checks that let nobody in. Bad: a jump: a client with an expired secret, or somebody trying "
            "keys.",
            prom(ratio(at_least_zero(denied), _Q.rate(AUTH_CHECKS))),
            unit="percentunit",
            warning=0.1,
            bad=0.5,
            nothing="no checks",
            links=_TO_POINTS,
        ),
        stat(
            "Denied for want of keys",
            "Checks over the range that failed because keys or the store could not be had. Bad: any: these callers "
            "did nothing wrong.",
            at_the_end(at_least_zero(_Q.grown(AUTH_CHECKS, where(AUTH_REASON, *_OUR_FAULT)))),
            unit="short",
            bad=1,
            decimals=0,
            links=_TO_EXPLORE,
        ),
        stat(
            "Key fetches failing",
            "Share of the key-set fetches over the range that gave no keys. Bad: above zero for longer than the keys "
            "are good for (a minute fresh, stale ones go on working).",
            at_the_end(
                ratio(
                    at_least_zero(_Q.grown(KEY_SET_FETCHES, unless(KEY_SET_RESULT, "ok"))),
                    _Q.grown(KEY_SET_FETCHES),
                )
            ),
            unit="percentunit",
            warning=0.01,
            bad=0.5,
            nothing="no fetches",
            links=_TO_EXPLORE,
        ),
        stat(
            "Rate limited now",
            "Share of decisions that turned a request away. Bad: above a few percent: a tenant loops, or the limit "
            "is too low.",
            prom(
                ratio(
                    at_least_zero(_Q.rate(RATE_LIMIT_DECISIONS, where(LIMIT_RESULT, "limited"))),
                    _Q.rate(RATE_LIMIT_DECISIONS),
                )
            ),
            unit="percentunit",
            warning=0.02,
            bad=0.2,
            nothing="no decisions",
            links=_TO_POINTS,
        ),
        stat(
            "Limiter not answering",
            "Decisions over the range that the limiter could not make; those requests pass. Bad: any that last: there "
            "is no limit then.",
            at_the_end(at_least_zero(_Q.grown(RATE_LIMIT_DECISIONS, where(LIMIT_RESULT, "unavailable")))),
            unit="short",
            bad=1,
            decimals=0,
            links=_TO_EXPLORE,
        ),
        stat(
            "A check takes, p99",
            "99th percentile of a check, keys fetched included. Bad: above what is promised: "
            f"{limits.words('token-checks')}.",
            prom(_Q.quantile(0.99, AUTH_DURATION), exemplar=True),
            unit="s",
            warning=limits.at_most("token-checks"),
            bad=10 * limits.at_most("token-checks"),
            nothing="no checks",
            links=_TO_SLO,
        ),
    ]


def _checks(limits: Limits) -> list[Sized]:
    return [
        lines(
            "Checks by method and result",
            "Checks a second. Bad: `denied` overtakes `allowed`.",
            prom(_Q.rate(AUTH_CHECKS, by=(AUTH_METHOD, AUTH_RESULT)), legend(AUTH_METHOD, AUTH_RESULT)),
            unit="cps",
            colours=[f"{m} · {r}" for m in ("bearer", "api_key", "none") for r in ("allowed", "denied")],
            links=_TO_EXPLORE,
        ),
        lines(
            "Denials by reason",
            "Denied checks a second by reason. Bad: `bad_signature` or `unsupported_algorithm` (forgeries), "
            "`unknown_key` after a rotation, `keys_unavailable` (us or the issuer).",
            prom(_Q.rate(AUTH_CHECKS, where(AUTH_RESULT, "denied"), by=(AUTH_REASON,)), legend(AUTH_REASON)),
            unit="cps",
            colours=_DENIED,
            stacked=True,
            links=_TO_POINTS,
        ),
        lines(
            "Time of a check",
            "Median and 99th percentile by method; dots are traces. Bad: the 99th leaves the milliseconds: keys are "
            "fetched in the way of requests.",
            *(
                prom(
                    _Q.quantile(q, AUTH_DURATION, by=(AUTH_METHOD,)),
                    f"{name} {legend(AUTH_METHOD)}",
                    exemplar=True,
                )
                for q, name in ((0.5, "p50"), (0.99, "p99"))
            ),
            unit="s",
            colours=[f"{q} {method}" for q in ("p50", "p99") for method in ("bearer", "api_key", "none")],
            bad=limits.at_most("token-checks"),
            links=_TO_EXPLORE,
        ),
        table(
            "Refusals by code",
            "Refused requests over the range by error code. Bad: one code outgrows the rest; a policy's code tells of "
            "the policy, not of the caller.",
            at_the_end(
                "topk(15, "
                + _Q.grown(
                    REQUEST_DURATION, unless(ERROR_TYPE, ""), by=(ERROR_TYPE, HTTP_STATUS), part="_count"
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
            links=_TO_EXPLORE,
        ),
    ]


def _keys_and_limits() -> list[Sized]:
    return [
        lines(
            "Key-set fetches by result",
            "Fetches of the issuer's keys. Bad: no `ok` for minutes: the keys in use grow old, and new ones are not "
            "known.",
            prom(_Q.grown_by_step(KEY_SET_FETCHES, by=(KEY_SET_RESULT,)), legend(KEY_SET_RESULT)),
            unit="short",
            colours=sorted(KEY_SET_RESULT.values or ()),
            bars=True,
            links=_TO_EXPLORE,
        ),
        lines(
            "Rate limiter",
            "Decisions a second. Bad: `limited` for one tenant is its affair, for all ours; `unavailable` lets "
            "everybody pass.",
            prom(_Q.rate(RATE_LIMIT_DECISIONS, by=(LIMIT_RESULT,)), legend(LIMIT_RESULT)),
            unit="cps",
            colours=sorted(LIMIT_RESULT.values or ()),
            links=_TO_POINTS,
        ),
        lines(
            "Refused requests by route",
            "Requests a second that were refused for the caller's mistake. Bad: a route that many callers get wrong: "
            "its documentation is.",
            prom(_Q.rate(OUTCOMES, where(OUTCOME, "refused"), by=(HTTP_ROUTE,)), legend(HTTP_ROUTE)),
            unit="reqps",
            colours=sorted(value for value in HTTP_ROUTE.values or () if value),
            links=_TO_EXPLORE,
        ),
    ]


def _safety(limits: Limits) -> list[Sized]:
    policies = (GeoDenied.code, PersonalDataRefused.code, CostCeilingExceeded.code)
    refused = _Q.rate(REQUEST_DURATION, where(ERROR_TYPE, *policies), by=(ERROR_TYPE,), part="_count")
    return [
        lines(
            "Personal data found",
            "Findings a second by kind, whatever the policy then does. Bad: a kind that this service should never see, "
            "such as cards; somebody pastes whole records.",
            prom(_Q.rate(PERSONAL_DATA_FINDINGS, by=(PERSONAL_DATA_KIND,)), legend(PERSONAL_DATA_KIND)),
            unit="cps",
            colours=sorted(PERSONAL_DATA_KIND.values or ()),
            links=_TO_EXPLORE,
        ),
        lines(
            "Time of the search for it",
            "Median and 99th percentile. Bad: above what is promised: "
            f"{limits.words('personal-data-checks')}; prompts have grown.",
            prom(_Q.quantile(0.99, PERSONAL_DATA_DURATION), "p99", exemplar=True),
            prom(_Q.quantile(0.5, PERSONAL_DATA_DURATION), "p50"),
            unit="s",
            colours=("p99", "p50"),
            bad=limits.at_most("personal-data-checks"),
            links=_TO_SLO,
        ),
        lines(
            "Refused by a policy",
            "Requests a second that a policy of ours refused: geography, personal data, a ceiling of cost. Bad: a "
            "step up after a change of settings.",
            prom(refused, legend(ERROR_TYPE)),
            unit="reqps",
            colours=policies,
            links=_TO_POINTS,
        ),
    ]
