"""Coding sessions: what is asked of them, how long messages wait, what their objects take, what they let go."""

from __future__ import annotations

from dashboards.boards.onward import TO_EXPLORE
from dashboards.boards.service.queries import Q
from dashboards.panels import Sized, lines
from dashboards.promql import legend
from dashboards.targets import prom
from lumigate.catalog import (
    SESSION_OPERATION,
    SESSION_OPERATIONS,
    SESSION_RESULT,
    SESSION_STEP,
    SESSION_STEP_DURATION,
    SESSION_TURNS_DROPPED,
    SESSION_WAIT,
)


def panels() -> list[Sized]:
    return [
        lines(
            "Operations on sessions",
            "Operations a second by result. Bad: `turn_lost` and `failed` (us), `busy` above a few (a client that "
            "does not wait for its answers), many `not_found` (sessions end before people do).",
            prom(
                Q.rate(SESSION_OPERATIONS, by=(SESSION_OPERATION, SESSION_RESULT)),
                legend(SESSION_OPERATION, SESSION_RESULT),
            ),
            unit="reqps",
            colours=None,
            stacked=True,
            links=TO_EXPLORE,
        ),
        lines(
            "A message waits for its turn",
            "Median and 95th percentile of the wait for the messages before it. Bad: near SESSION_WAIT_SECONDS, where "
            "messages are refused.",
            prom(Q.quantile(0.5, SESSION_WAIT), "p50"),
            prom(Q.quantile(0.95, SESSION_WAIT), "p95", exemplar=True),
            unit="s",
            colours=("p50", "p95"),
            warning=1,
            bad=8,
            links=TO_EXPLORE,
        ),
        lines(
            "A session's object takes",
            "95th percentile of one call to a session's object or its subject's index, by step. Bad: above 0.25 s: "
            "objects are far away, or hold too much.",
            prom(Q.quantile(0.95, SESSION_STEP_DURATION, by=(SESSION_STEP,)), legend(SESSION_STEP)),
            unit="s",
            colours=sorted(SESSION_STEP.values or ()),
            bad=0.25,
            links=TO_EXPLORE,
        ),
        lines(
            "Turns let go",
            "Turns a second that left the history of a session for want of room. Bad: many: conversations outgrow "
            "SESSION_HISTORY_TURNS or SESSION_HISTORY_BYTES, and models forget their beginning.",
            prom(Q.rate(SESSION_TURNS_DROPPED), "turns"),
            unit="cps",
            colours=("turns",),
            links=TO_EXPLORE,
        ),
    ]
