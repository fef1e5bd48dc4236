"""Saturation: how much is in progress, what is turned away for want of room, what waits for its turn."""

from __future__ import annotations

from dashboards.boards.onward import TO_ACCESS, TO_CACHE, TO_EXPLORE, TO_TELEMETRY
from dashboards.boards.service.queries import Q
from dashboards.panels import Sized, lines
from dashboards.promql import legend, where
from dashboards.targets import prom
from lumigate.catalog import (
    CACHE_WAIT,
    CACHE_WAITS,
    ERROR_TYPE,
    HTTP_ROUTE,
    HTTP_STATUS,
    LOST_INVOCATIONS,
    REQUEST_DURATION,
    SESSION_WAIT,
    WORKER_OUTCOME,
)
from lumigate.telemetry import self_metrics as own

_NO_ROOM = ("429", "503")
_BY_LIMIT = ("exceededCpu", "exceededMemory", "loadShed")


def panels() -> list[Sized]:
    return [
        lines(
            "Requests in progress",
            "How many requests are open at a time, on average, by route: seconds of requests a second (Little's law). "
            "Bad: it climbs while requests a second do not: answers take longer, and isolates hold more at once.",
            prom(Q.rate(REQUEST_DURATION, by=(HTTP_ROUTE,), part="_sum"), legend(HTTP_ROUTE)),
            unit="short",
            colours=sorted(value for value in HTTP_ROUTE.values or () if value),
            stacked=True,
            links=TO_EXPLORE,
        ),
        lines(
            "Turned away for want of room",
            "Requests a second that were answered 429 or 503, by code: limits of ours, limits of providers, what "
            "could not be asked. Bad: any 503; 429 of a tenant that should have room.",
            prom(
                Q.rate(REQUEST_DURATION, where(HTTP_STATUS, *_NO_ROOM), by=(ERROR_TYPE,), part="_count"),
                legend(ERROR_TYPE),
            ),
            unit="reqps",
            colours=None,
            stacked=True,
            links=TO_ACCESS,
        ),
        lines(
            "Killed at a limit of the platform",
            "Invocations that the runtime ended for CPU time, memory or load. Bad: any: a request is too heavy, or "
            "memory leaks.",
            prom(
                Q.grown_by_step(LOST_INVOCATIONS, where(WORKER_OUTCOME, *_BY_LIMIT), by=(WORKER_OUTCOME,)),
                legend(WORKER_OUTCOME),
            ),
            unit="short",
            colours=_BY_LIMIT,
            bars=True,
            width=8,
            links=TO_EXPLORE,
        ),
        lines(
            "Waiting for a turn",
            "Requests a second that wait for another: for the same question's answer, which ends in `timeout` when "
            "that takes too long, and for the messages of their session before them. Bad: `timeout` at all.",
            prom(Q.rate(CACHE_WAITS, by=(CACHE_WAIT,)), f"question: {legend(CACHE_WAIT)}"),
            prom(Q.rate(SESSION_WAIT, part="_count"), "session"),
            unit="reqps",
            colours=[*(f"question: {value}" for value in sorted(CACHE_WAIT.values or ())), "session"],
            width=8,
            links=TO_CACHE,
        ),
        lines(
            "Telemetry that waits",
            "Items in the isolates' queues. Bad: a plateau: a destination is too slow, and what comes on top is "
            "dropped.",
            prom(Q.level(own.QUEUE_ITEMS), "items"),
            unit="short",
            colours=("items",),
            width=8,
            links=TO_TELEMETRY,
        ),
    ]
