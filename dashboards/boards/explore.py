"""Explore: logs and traces: from a trace id, a request id or a tenant to the wide event and the waterfall, and back."""

from __future__ import annotations

from dashboards import explore
from dashboards.board import Board, Row
from dashboards.boards import uids
from dashboards.links import link
from dashboards.panels import Sized, lines, logs, table, trace
from dashboards.targets import loki, tempo
from dashboards.variables import data_source, log_service, text
from lumigate.catalog import CHAT_SPAN, HTTP_ROUTE, OUTCOME, SERVER_SPAN

_CHOSEN = explore.events(
    explore.field_matches("trace_id", "trace_id"),
    explore.field_matches("tenant", "tenant"),
    explore.field_matches("environment", "environment"),
    explore.field_matches("route", "route"),
    explore.field_matches("model", "model"),
)
_LINE = (
    "method",
    "route",
    "status",
    "outcome",
    "error_code",
    "duration_ms",
    "tenant",
    "model",
    "cache",
    "trace_kept",
)
_BAD = f"{_CHOSEN} | {explore.field('level')}=~`warn|error`"
_TO_SERVICE = [link("Service overview", uids.SERVICE, "")]
_TO_POINTS = [link("By tenant and country", uids.ANALYTICS_ENGINE, "")]
_TRACE = ("This trace", f"/d/{uids.EXPLORE}?${{__url_time_range}}&var-trace_id=${{__value.raw}}")
_TENANT = explore.own_attribute(SERVER_SPAN, "lumigate.tenant")


def board() -> Board:
    return Board(
        uid=uids.EXPLORE,
        title="Explore: logs and traces",
        description="Wide events and traces, from a trace id or a tenant; links both ways.",
        tags=("explore", "logs", "traces"),
        variables=[
            data_source("loki"),
            data_source("tempo"),
            log_service(),
            text("trace_id", "Trace id"),
            text("tenant", "Tenant"),
            text("environment", "Environment"),
            text("route", "Route"),
            text("model", "Model"),
        ],
        rows=[
            Row(title="One request", panels=_one()),
            Row(title="Wide events", panels=_events()),
            Row(title="Traces", panels=_traces()),
        ],
    )


def _one() -> list[Sized]:
    return [
        trace(
            "Trace $trace_id",
            "The waterfall of the trace whose id is typed above; empty without one. Bad: a red span, or a gap with "
            "no span: time that nobody accounts for.",
            "${trace_id:raw}",
            links=_TO_SERVICE,
        ),
    ]


def _events() -> list[Sized]:
    return [
        lines(
            "Requests by outcome",
            "Wide events by outcome. Bad: `error`, `upstream_error` or `truncated` grow.",
            loki(explore.counted(_CHOSEN, "outcome"), "{{outcome}}"),
            unit="short",
            colours=sorted(OUTCOME.values or ()),
            bars=True,
            stacked=True,
            links=_TO_SERVICE,
        ),
        lines(
            "Duration in the wide events",
            "Median and 95th percentile of what is chosen, in milliseconds. Bad: far above the same figures of the "
            "service overview: what is chosen is the slow part.",
            loki(explore.quantile(0.5, _CHOSEN, "duration_ms"), "p50"),
            loki(explore.quantile(0.95, _CHOSEN, "duration_ms"), "p95"),
            unit="ms",
            colours=("p50", "p95"),
            links=_TO_SERVICE,
        ),
        logs(
            "Requests that went wrong",
            "Wide events of level `warn` and `error`; the details of a line have all its fields, and its trace. "
            "Bad: any that repeat.",
            loki(explore.shown(_BAD, *_LINE)),
            links=_TO_POINTS,
        ),
        logs(
            "All requests",
            "Wide events of what is chosen, one line a request; at its end, whether the trace was kept. Bad: `false` "
            "where you need the trace: raise the share.",
            loki(explore.shown(_CHOSEN, *_LINE)),
            links=_TO_POINTS,
        ),
    ]


def _traces() -> list[Sized]:
    chosen = (
        f'{_TENANT} =~ ".*${{tenant:raw}}.*"',
        f'{explore.attribute(SERVER_SPAN, HTTP_ROUTE)} =~ ".*${{route:raw}}.*"',
    )
    outcome = explore.attribute(SERVER_SPAN, OUTCOME)
    return [
        _found(
            "Requests that failed",
            "Traces whose server span failed. Bad: any; every one of them is kept.",
            explore.spans(SERVER_SPAN, *chosen, "status = error"),
        ),
        _found(
            "Slow requests",
            "Traces of more than two seconds. Bad: the time is not in a `chat` span.",
            explore.spans(SERVER_SPAN, *chosen, "duration > 2s"),
        ),
        _found(
            "Cut answers",
            "Traces of answers that did not end as they should. Bad: any `truncated`; `client_abort` above its usual "
            "share.",
            explore.spans(SERVER_SPAN, *chosen, f'{outcome} =~ "truncated|client_abort"'),
        ),
        _found(
            "Second attempts",
            "Model calls that were not the first of their request. Bad: many to one provider.",
            explore.spans(CHAT_SPAN, f"{explore.own_attribute(CHAT_SPAN, 'lumigate.llm.attempt')} > 1"),
        ),
    ]


def _found(title: str, description: str, query: str) -> Sized:
    return table(title, description, tempo(query), width=12, links_in={"traceID": _TRACE}, links=_TO_SERVICE)
