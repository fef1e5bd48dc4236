"""The platform underneath: heartbeat, invocations that died, imports, secrets, deploys."""

from __future__ import annotations

from dashboards.boards.limits import Limits
from dashboards.boards.onward import TO_EXPLORE, TO_TELEMETRY
from dashboards.boards.service.queries import Q
from dashboards.panels import Sized, lines, stat
from dashboards.promql import legend
from dashboards.targets import prom
from lumigate.catalog import (
    DEPLOY_RESULT,
    DEPLOYS,
    HEARTBEAT,
    IMPORT_FAILURES,
    LOST_INVOCATIONS,
    MODULE,
    SECRET_READS,
    SECRET_RESULT,
    WORKER_OUTCOME,
    WORKER_REPORTED,
)


def platform(limits: Limits) -> list[Sized]:
    return [
        stat(
            "Heartbeats, 5 min",
            "Cron runs seen in five minutes: one a minute. Bad: 0, for then nothing else here can be trusted.",
            prom(f"max(changes({Q.series(HEARTBEAT)}[5m]))"),
            unit="short",
            warning=4,
            bad=1,
            falling=True,
            links=[*TO_TELEMETRY, limits.runbook("telemetry-silent")],
        ),
        lines(
            "Invocations that the runtime ended",
            "What the Tail Worker saw die, by the runtime's word for it. Bad: `exceededCpu` or `exceededMemory` at "
            "all: a request too heavy, or a leak.",
            prom(
                Q.grown_by_step(LOST_INVOCATIONS, by=(WORKER_OUTCOME, WORKER_REPORTED)),
                legend(WORKER_OUTCOME, WORKER_REPORTED),
            ),
            unit="short",
            colours=None,
            bars=True,
            width=6,
            links=TO_EXPLORE,
        ),
        lines(
            "Modules that could not be imported",
            "Failed imports by module. Bad: anything; the bundle lacks something, run `lumigate bundle`.",
            prom(Q.grown_by_step(IMPORT_FAILURES, by=(MODULE,)), legend(MODULE)),
            unit="short",
            colours=None,
            bars=True,
            width=5,
            links=TO_EXPLORE,
        ),
        lines(
            "Secrets Store",
            "What isolates read there, at their start and every five minutes; `changed` is a rotation. Bad: `failed`: "
            "isolates that run go on with what they have, new ones answer 500.",
            prom(Q.grown_by_step(SECRET_READS, by=(SECRET_RESULT,)), legend(SECRET_RESULT)),
            unit="short",
            colours=sorted(SECRET_RESULT.values or ()),
            bars=True,
            width=5,
            links=TO_EXPLORE,
        ),
        lines(
            "Deploys",
            "Deployments once they are settled. Bad: `rolled_back`.",
            prom(Q.grown_by_step(DEPLOYS, by=(DEPLOY_RESULT,)), legend(DEPLOY_RESULT)),
            unit="short",
            colours=sorted(DEPLOY_RESULT.values or ()),
            bars=True,
            width=4,
            links=limits.links("deploys"),
        ),
    ]
