"""Traffic, errors, time."""

from __future__ import annotations

from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_ACCESS, TO_EXPLORE, TO_POINTS
from dashboards.boards.service.queries import FAILED, QUANTILES, SERVED, Q, tidy
from dashboards.panels import Sized, heatmap, lines, stat, table
from dashboards.promql import at_least_zero, legend, ratio, unless, where
from dashboards.targets import at_the_end, prom
from lumigate.catalog import ERROR_TYPE, HTTP_ROUTE, HTTP_STATUS, OUTCOME, OUTCOMES, REQUEST_DURATION

_ROUTES = sorted(value for value in HTTP_ROUTE.values or () if value)


def red(limits: Limits) -> list[Sized]:
    failed = Q.rate(OUTCOMES, where(OUTCOME, *FAILED), SERVED)
    accepted = Q.rate(OUTCOMES, unless(OUTCOME, "refused", "client_abort"), SERVED)
    by_code = (ERROR_TYPE, HTTP_STATUS)
    errors = Q.grown(REQUEST_DURATION, unless(ERROR_TYPE, ""), by=by_code, part="_count")
    return [
        stat(
            "Requests in range",
            "Requests over the range that is shown, health probes and scrapes included. Bad: none at a time of day "
            "that usually has some.",
            at_the_end(Q.grown(REQUEST_DURATION, part="_count")),
            unit="short",
            decimals=0,
            width=8,
            links=TO_POINTS,
        ),
        stat(
            "Failing now",
            "Share of the accepted requests that end in our error, a provider's, or a cut answer. Bad: above "
            f"{limits.budget('availability'):.2%}, the budget of availability.",
            prom(ratio(at_least_zero(failed), accepted)),
            unit="percentunit",
            warning=limits.budget("availability"),
            bad=10 * limits.budget("availability"),
            nothing="no traffic",
            width=8,
            links=[*TO_EXPLORE, limits.runbook("availability")],
        ),
        stat(
            "Slowest 5 % take",
            "95th percentile of the time to the last byte; streams count whole, health probes and scrapes do not. "
            "Bad: above what your users wait for.",
            prom(Q.quantile(0.95, REQUEST_DURATION, SERVED), exemplar=True),
            unit="s",
            warning=5,
            bad=10,
            nothing="no traffic",
            width=8,
            links=TO_EXPLORE,
        ),
        lines(
            "Requests by route",
            "Requests a second. Bad: a step down with no step down in demand, or a route that nobody should call.",
            prom(Q.rate(REQUEST_DURATION, by=(HTTP_ROUTE,), part="_count"), legend(HTTP_ROUTE)),
            unit="reqps",
            colours=_ROUTES,
            stacked=True,
            links=TO_POINTS,
        ),
        lines(
            "Requests by status",
            "Answers a second by status. Bad: any 5xx that lasts; many 401 are an expired secret or an attack, many "
            "429 a tenant out of its limits.",
            prom(Q.rate(REQUEST_DURATION, by=(HTTP_STATUS,), part="_count"), legend(HTTP_STATUS)),
            unit="reqps",
            colours=("200", "400", "401", "404", "429", "499", "500", "502", "503", "504"),
            links=TO_ACCESS,
        ),
        lines(
            "How answers end",
            "Outcomes a second. A status of 200 says how an answer began; this says how it ended. Bad: `truncated` or "
            "`error` at all, `client_abort` above its usual share (users give up waiting).",
            prom(Q.rate(OUTCOMES, by=(OUTCOME,)), legend(OUTCOME)),
            unit="reqps",
            colours=sorted(OUTCOME.values or ()),
            links=TO_EXPLORE,
        ),
        lines(
            "Failures by route",
            "Share of a route's accepted requests that ended in our error, a provider's, or a cut answer. Bad: one "
            "route apart from the rest: its handler, or the models behind it.",
            prom(
                ratio(
                    Q.rate(OUTCOMES, where(OUTCOME, *FAILED), by=(HTTP_ROUTE,)),
                    Q.rate(OUTCOMES, unless(OUTCOME, "refused", "client_abort"), by=(HTTP_ROUTE,)),
                ),
                legend(HTTP_ROUTE),
            ),
            unit="percentunit",
            colours=_ROUTES,
            warning=limits.budget("availability"),
            bad=10 * limits.budget("availability"),
            links=[*TO_EXPLORE, limits.runbook("availability")],
        ),
        lines(
            "Time by route, p95",
            "95th percentile of the time to the last byte; dots are traces. Bad: a route that leaves its usual place.",
            prom(Q.quantile(0.95, REQUEST_DURATION, by=(HTTP_ROUTE,)), legend(HTTP_ROUTE), exemplar=True),
            unit="s",
            colours=_ROUTES,
            links=TO_EXPLORE,
        ),
        table(
            "Errors by code",
            "Error codes over the range, the most frequent first. Bad: `internal_error` (a defect of ours), or one "
            "code that outgrows the rest.",
            at_the_end(f"topk(15, {errors} > 0)"),
            units={"Requests": "short"},
            transformations=[tidy(ERROR_TYPE.key, HTTP_STATUS.key)],
            width=12,
            height=8,
            links=TO_EXPLORE,
        ),
    ]


def time() -> list[Sized]:
    return [
        lines(
            "Time to the last byte",
            "Median, 95th and 99th percentile, streams included, health probes and scrapes not; dots are traces. Bad: "
            "the 99th drifts from the median (a slow provider, retries), or all three rise together (us, or the "
            "platform).",
            *(prom(Q.quantile(q, REQUEST_DURATION, SERVED), name, exemplar=True) for q, name in QUANTILES),
            unit="s",
            colours=[name for _, name in QUANTILES],
            links=TO_EXPLORE,
        ),
        heatmap(
            "Where the time lies",
            "Requests by duration, health probes and scrapes left out. Bad: a second band above the usual one, which "
            "an average would hide.",
            prom(Q.buckets(REQUEST_DURATION, SERVED), "{{le}}", exemplar=True),
            unit="s",
            links=TO_EXPLORE,
        ),
    ]
