"""Whose time it is: the gateway or the providers; what telemetry adds."""

from __future__ import annotations

from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_CACHE, TO_MODELS, TO_TELEMETRY
from dashboards.boards.service.queries import EVERYWHERE, QUANTILES, Q
from dashboards.panels import Sized, lines
from dashboards.promql import ratio
from dashboards.targets import prom
from lumigate.catalog import (
    CACHE_OUTCOMES,
    GATEWAY_OVERHEAD,
    LLM_DURATION,
    REQUEST_DURATION,
    TELEMETRY_OVERHEAD,
)


def whose_time(limits: Limits) -> list[Sized]:
    in_all = Q.rate(REQUEST_DURATION, part="_sum")
    ours = Q.rate(GATEWAY_OVERHEAD, part="_sum")
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
            links=TO_MODELS,
        ),
        lines(
            "Gateway overhead",
            "Request time less the wait for providers. Bad: above what is promised: "
            f"{limits.words('gateway-overhead-p95')}, {limits.words('gateway-overhead-p99')}.",
            *(prom(Q.quantile(q, GATEWAY_OVERHEAD), name, exemplar=True) for q, name in QUANTILES),
            unit="s",
            colours=[name for _, name in QUANTILES],
            warning=limits.at_most("gateway-overhead-p95"),
            bad=limits.at_most("gateway-overhead-p99"),
            links=limits.links("gateway-overhead-p99"),
        ),
        lines(
            "What telemetry adds",
            "Time from the end of a request to the moment its telemetry is handed over. Bad: anything but about zero; "
            "telemetry is a guest.",
            prom(Q.quantile(0.99, TELEMETRY_OVERHEAD), "p99", exemplar=True),
            prom(Q.quantile(0.5, TELEMETRY_OVERHEAD), "p50"),
            unit="s",
            colours=("p99", "p50"),
            links=[*TO_TELEMETRY, limits.runbook("response-path")],
        ),
        lines(
            "Model calls a request",
            "Provider calls for each request that asks for a model, on all routes. Bad: above 1 and rising (retries, "
            "fallbacks); below 1 is the cache at work.",
            prom(
                ratio(Q.rate(LLM_DURATION, part="_count"), EVERYWHERE.rate(CACHE_OUTCOMES)),
                "calls",
            ),
            unit="short",
            colours=("calls",),
            links=[*TO_MODELS, *TO_CACHE],
        ),
    ]
