"""Version against version: what a gradual rollout is judged by."""

from __future__ import annotations

from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_EXPLORE, TO_POINTS
from dashboards.boards.service.queries import FAILED, Q
from dashboards.panels import Sized, lines
from dashboards.promql import legend, ratio, unless, where
from dashboards.targets import prom
from lumigate.catalog import OUTCOME, VERSION, VERSION_OUTCOMES, VERSION_OVERHEAD


def versions(limits: Limits) -> list[Sized]:
    by = (VERSION,)
    return [
        lines(
            "Requests by version",
            "Requests a second by the version that served them. Bad: a new version whose share stays below the one it "
            "was given: its isolates die before they can tell.",
            prom(Q.rate(VERSION_OUTCOMES, by=by), legend(VERSION)),
            unit="reqps",
            colours=None,
            stacked=True,
            width=8,
            links=TO_POINTS,
        ),
        lines(
            "Failures by version",
            "Share of a version's accepted requests that ended in our error, a provider's, or a cut answer. Bad: the "
            "new version above the old one; `lumigate rollout abort` takes it back.",
            prom(
                ratio(
                    Q.rate(VERSION_OUTCOMES, where(OUTCOME, *FAILED), by=by),
                    Q.rate(VERSION_OUTCOMES, unless(OUTCOME, "refused", "client_abort"), by=by),
                ),
                legend(VERSION),
            ),
            unit="percentunit",
            colours=None,
            warning=limits.budget("availability"),
            bad=10 * limits.budget("availability"),
            width=8,
            links=[*TO_EXPLORE, limits.runbook("availability")],
        ),
        lines(
            "Our own time by version, p95",
            "95th percentile of the gateway's overhead by version. Bad: the new version above the old one.",
            prom(Q.quantile(0.95, VERSION_OVERHEAD, by=by), legend(VERSION)),
            unit="s",
            colours=None,
            width=8,
            links=[*TO_EXPLORE, limits.runbook("gateway-overhead-p95")],
        ),
    ]
