"""Token and key checks: results, reasons, time, key sets, revocation, scopes."""

from __future__ import annotations

from dashboards.panels import Sized, lines, table
from dashboards.promql import legend, unless, where
from dashboards.targets import at_the_end, prom
from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS
from lumigate.exposition.names import prometheus_label
from lumigate.catalog import (AUTH_CHECKS, AUTH_DURATION, AUTH_METHOD, AUTH_REASON, AUTH_RESULT, ERROR_TYPE, HTTP_STATUS, REQUEST_DURATION)
from dashboards.boards.access.queries import Q

DENIED = sorted((AUTH_REASON.values or frozenset()) - {"ok"})


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
            colours=DENIED,
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
            links=TO_EXPLORE,
        ),
        table(
            "Refusals by code",
            "Refused requests over the range by error code. Bad: one code outgrows the rest; a policy's code tells of "
            "the policy, not of the caller.",
            at_the_end(
                "topk(15, "
                + Q.grown(
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
            links=TO_EXPLORE,
        ),
    ]
