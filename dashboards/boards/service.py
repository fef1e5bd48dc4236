"""Service overview: are users happy, and if not, is it us, a provider, or the platform."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.board import Board, Row, deploys
from dashboards.boards import promises as slo
from dashboards.boards import uids
from dashboards.boards.limits import Limits
from dashboards.links import link
from dashboards.panels import Sized, heatmap, lines, stat, table
from dashboards.promql import Prom, at_least_zero, legend, ratio, unless, where
from dashboards.targets import at_the_end, prom
from dashboards.variables import metrics_of, route
from lumigate.catalog import (
    DEPLOY_RESULT,
    DEPLOYS,
    ERROR_TYPE,
    GATEWAY_OVERHEAD,
    HEARTBEAT,
    HTTP_ROUTE,
    HTTP_STATUS,
    IMPORT_FAILURES,
    LLM_DURATION,
    LOST_INVOCATIONS,
    MODULE,
    OUTCOME,
    OUTCOMES,
    REQUEST_DURATION,
    TELEMETRY_OVERHEAD,
    WORKER_OUTCOME,
    WORKER_REPORTED,
)
from lumigate.exposition.names import prometheus_label
from slo.model import Promise

_Q = Prom({"route": HTTP_ROUTE})
_TO_MODELS = [link("Models", uids.MODELS)]
_TO_EXPLORE = [link("Logs and traces", uids.EXPLORE, "")]
_TO_POINTS = [link("By tenant and country", uids.ANALYTICS_ENGINE, "")]
_OUTCOMES = sorted(OUTCOME.values or ())
FAILED = ("error", "upstream_error", "truncated")


def board(promises: Sequence[Promise], step: float = slo.STEP_SECONDS) -> Board:
    limits = Limits(promises)
    return Board(
        uid=uids.SERVICE,
        title="Service overview",
        description="Are users happy: promises, traffic, errors, time, and the platform underneath.",
        tags=("service", "red"),
        variables=[*metrics_of(), route()],
        annotations=deploys(),
        rows=[
            Row(title="Promises", panels=slo.overview(promises, step)),
            Row(title="Traffic, errors, time", panels=[*_red(limits), *_time()]),
            Row(title="Whose time it is", panels=_whose_time(limits)),
            Row(title="Platform", panels=_platform()),
        ],
    )


def _red(limits: Limits) -> list[Sized]:
    failed = _Q.rate(OUTCOMES, where(OUTCOME, *FAILED))
    accepted = _Q.rate(OUTCOMES, unless(OUTCOME, "refused", "client_abort"))
    by_code = (ERROR_TYPE, HTTP_STATUS)
    errors = _Q.grown(REQUEST_DURATION, unless(ERROR_TYPE, ""), by=by_code, part="_count")
    return [
        stat(
            "Requests in range",
            "Requests over the range that is shown, health probes and scrapes included. Bad: none at a time of day "
            "that usually has some.",
            at_the_end(_Q.grown(REQUEST_DURATION, part="_count")),
            unit="short",
            decimals=0,
            width=8,
            links=_TO_POINTS,
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
            links=_TO_EXPLORE,
        ),
        stat(
            "Slowest 5 % take",
            "95th percentile of the time to the last byte. Bad: above what your users wait for; streams count whole.",
            prom(_Q.quantile(0.95, REQUEST_DURATION), exemplar=True),
            unit="s",
            warning=5,
            bad=10,
            nothing="no traffic",
            width=8,
            links=_TO_EXPLORE,
        ),
        lines(
            "Requests by route",
            "Requests a second. Bad: a step down with no step down in demand, or a route that nobody should call.",
            prom(_Q.rate(REQUEST_DURATION, by=(HTTP_ROUTE,), part="_count"), legend(HTTP_ROUTE)),
            unit="reqps",
            colours=sorted(value for value in HTTP_ROUTE.values or () if value),
            stacked=True,
            links=_TO_POINTS,
        ),
        lines(
            "Requests by status",
            "Answers a second by status. Bad: any 5xx that lasts; many 401 are an expired secret or an attack, many "
            "429 a tenant out of its limits.",
            prom(_Q.rate(REQUEST_DURATION, by=(HTTP_STATUS,), part="_count"), legend(HTTP_STATUS)),
            unit="reqps",
            colours=("200", "400", "401", "404", "429", "499", "500", "502", "503", "504"),
            links=[link("Access and safety", uids.ACCESS)],
        ),
        lines(
            "How answers end",
            "Outcomes a second. A status of 200 says how an answer began; this says how it ended. Bad: `truncated` or "
            "`error` at all, `client_abort` above its usual share (users give up waiting).",
            prom(_Q.rate(OUTCOMES, by=(OUTCOME,)), legend(OUTCOME)),
            unit="reqps",
            colours=_OUTCOMES,
            links=_TO_EXPLORE,
        ),
        table(
            "Errors by code",
            "Error codes over the range, the most frequent first. Bad: `internal_error` (a defect of ours), or one "
            "code that outgrows the rest.",
            at_the_end(f"topk(15, {errors} > 0)"),
            units={"Requests": "short"},
            transformations=[_tidy(ERROR_TYPE.key, HTTP_STATUS.key)],
            width=12,
            height=8,
            links=_TO_EXPLORE,
        ),
    ]


def _time() -> list[Sized]:
    return [
        lines(
            "Time to the last byte",
            "Median, 95th and 99th percentile, streams included; dots are traces. Bad: the 99th drifts from the "
            "median (a slow provider, retries), or all three rise together (us, or the platform).",
            *(prom(_Q.quantile(q, REQUEST_DURATION), name, exemplar=True) for q, name in _QUANTILES),
            unit="s",
            colours=[name for _, name in _QUANTILES],
            links=_TO_EXPLORE,
        ),
        heatmap(
            "Where the time lies",
            "Requests by duration. Bad: a second band above the usual one, which an average would hide.",
            prom(_Q.buckets(REQUEST_DURATION), "{{le}}", exemplar=True),
            unit="s",
            links=_TO_EXPLORE,
        ),
    ]


_QUANTILES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))


def _whose_time(limits: Limits) -> list[Sized]:
    in_all = _Q.rate(REQUEST_DURATION, part="_sum")
    ours = _Q.rate(GATEWAY_OVERHEAD, part="_sum")
    return [
        lines(
            "Seconds spent, by whom",
            "Seconds of waiting a second: providers, and the gateway itself. Bad: the gateway's share grows; it "
            "should be a sliver.",
            prom(ours, "gateway"),
            prom(f"clamp_min({in_all} - {ours}, 0)", "providers"),
            unit="s",
            colours=("gateway", "providers"),
            stacked=True,
            links=_TO_MODELS,
        ),
        lines(
            "Gateway overhead",
            "Request time less the wait for providers. Bad: above what is promised: "
            f"{limits.words('gateway-overhead-p95')}, {limits.words('gateway-overhead-p99')}.",
            *(prom(_Q.quantile(q, GATEWAY_OVERHEAD), name, exemplar=True) for q, name in _QUANTILES),
            unit="s",
            colours=[name for _, name in _QUANTILES],
            warning=limits.at_most("gateway-overhead-p95"),
            bad=limits.at_most("gateway-overhead-p99"),
            links=[link("Promises", uids.SLO)],
        ),
        lines(
            "What telemetry adds",
            "Time from the end of a request to the moment its telemetry is handed over. Bad: anything but about zero; "
            "telemetry is a guest.",
            prom(_Q.quantile(0.99, TELEMETRY_OVERHEAD), "p99", exemplar=True),
            prom(_Q.quantile(0.5, TELEMETRY_OVERHEAD), "p50"),
            unit="s",
            colours=("p99", "p50"),
            links=[link("Telemetry health", uids.TELEMETRY)],
        ),
        lines(
            "Model calls a request",
            "Provider calls for each request that was answered. Bad: above 1 and rising (retries, fallbacks); below 1 "
            "is the cache at work.",
            prom(
                ratio(_Q.rate(LLM_DURATION, part="_count"), _Q.rate(OUTCOMES, where(OUTCOME, "complete"))),
                "calls",
            ),
            unit="short",
            colours=("calls",),
            links=[*_TO_MODELS, link("Cache", uids.CACHE)],
        ),
    ]


def _platform() -> list[Sized]:
    return [
        stat(
            "Heartbeats, 5 min",
            "Cron runs seen in five minutes: one a minute. Bad: 0, for then nothing else here can be trusted.",
            prom(f"max(changes({_Q.series(HEARTBEAT)}[5m]))"),
            unit="short",
            warning=4,
            bad=1,
            falling=True,
            links=[link("Telemetry health", uids.TELEMETRY)],
        ),
        lines(
            "Invocations that the runtime ended",
            "What the Tail Worker saw die, by the runtime's word for it. Bad: `exceededCpu` or `exceededMemory` at "
            "all: a request too heavy, or a leak.",
            prom(
                _Q.grown_by_step(LOST_INVOCATIONS, by=(WORKER_OUTCOME, WORKER_REPORTED)),
                legend(WORKER_OUTCOME, WORKER_REPORTED),
            ),
            unit="short",
            colours=None,
            bars=True,
            width=8,
            links=_TO_EXPLORE,
        ),
        lines(
            "Modules that could not be imported",
            "Failed imports by module. Bad: anything; the bundle lacks something, run `lumigate bundle`.",
            prom(_Q.grown_by_step(IMPORT_FAILURES, by=(MODULE,)), legend(MODULE)),
            unit="short",
            colours=None,
            bars=True,
            width=6,
            links=_TO_EXPLORE,
        ),
        lines(
            "Deploys",
            "Deployments once they are settled. Bad: `rolled_back`.",
            prom(_Q.grown_by_step(DEPLOYS, by=(DEPLOY_RESULT,)), legend(DEPLOY_RESULT)),
            unit="short",
            colours=sorted(DEPLOY_RESULT.values or ()),
            bars=True,
            width=6,
            links=[link("Promises", uids.SLO)],
        ),
    ]


def _tidy(*keys: str) -> dict[str, object]:
    """Hide the time and call the columns by what they hold."""
    names = {prometheus_label(key): key for key in keys}
    return {
        "id": "organize",
        "options": {"excludeByName": {"Time": True}, "renameByName": {**names, "Value": "Requests"}},
    }
