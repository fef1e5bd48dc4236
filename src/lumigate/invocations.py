"""Invocations that died before they could report: what is known of them, as spans, logs and a counter.

An invocation that exceeds its CPU or memory, throws, or is cancelled takes its telemetry with it, so the requests that
hurt most would be the ones that are missing. A Tail Worker (`src/tail.py`) sees how each ended and hands it here. One
that wrote its wide event has told its own story: it is counted, and no second span is made for it.

Pure: what the platform calls a TraceItem is read by `lumigate.platform.workers.tail_items`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import SpanKind, StatusCode

from lumigate.catalog import HTTP_ROUTE, LOST_INVOCATIONS, VERSION, WORKER_KIND, WORKER_OUTCOME
from lumigate.http.paths import shown_path
from lumigate.telemetry import Span, Telemetry

_REPORTED_MARK = '"event":"request"'
_SEVERITIES = {
    "debug": SeverityNumber.DEBUG,
    "log": SeverityNumber.INFO,
    "info": SeverityNumber.INFO,
    "warn": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
}
MAX_LOGS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of the invocation's console."""

    time_ms: float
    level: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thrown:
    """An exception that nobody caught."""

    time_ms: float
    name: str
    message: str
    stack: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One run of a Worker or Durable Object, after its end. Times are Unix milliseconds; `kind`: `fetch`, `cron`, …"""

    script: str
    entrypoint: str
    version: str
    outcome: str
    kind: str
    started_ms: float
    wall_ms: float
    cpu_ms: float
    method: str = ""
    url: str = ""
    headers: Mapping[str, str]
    logs: tuple[LogLine, ...] = ()
    exceptions: tuple[Thrown, ...] = ()

    @property
    def died(self) -> bool:
        return self.outcome != "ok"

    @property
    def reported(self) -> bool:
        """Whether it wrote its wide event."""
        return any(_REPORTED_MARK in line.text for line in self.logs)


def record(telemetry: Telemetry, invocations: list[Invocation]) -> int:
    """Put what died into the telemetry engine's buffers; how many there were."""
    died = [invocation for invocation in invocations if invocation.died]
    counter = telemetry.instrument(LOST_INVOCATIONS)
    for invocation in died:
        labels = {
            WORKER_OUTCOME.key: invocation.outcome,
            "lumigate.worker.reported": "yes" if invocation.reported else "no",
            VERSION.key: invocation.version,
        }
        counter.add(1, labels)
        if not invocation.reported:
            try:
                _record_span(telemetry, invocation)
            except Exception as error:  # one that cannot be told hides no other
                telemetry.report(error)
    return len(died)


def _record_span(telemetry: Telemetry, invocation: Invocation) -> None:
    started_ns = int(invocation.started_ms * 1e6)
    logged_ms = [line.time_ms for line in invocation.logs]
    thrown_ms = [thrown.time_ms for thrown in invocation.exceptions]
    ended_ms = max([invocation.started_ms + invocation.wall_ms, *logged_ms, *thrown_ms])
    path = _path(invocation.url)
    route = path if HTTP_ROUTE.values and path in HTTP_ROUTE.values else ""
    is_request = invocation.kind == "fetch"
    attributes: dict[str, str | float | bool] = {
        WORKER_KIND.key: invocation.kind,
        WORKER_OUTCOME.key: invocation.outcome,
        "lumigate.worker.entrypoint": invocation.entrypoint,
        "lumigate.worker.cpu_ms": invocation.cpu_ms,
        "faas.name": invocation.script,
        "faas.version": invocation.version,
        "faas.trigger": "http" if is_request else "timer" if invocation.kind == "cron" else "other",
        "error.type": invocation.outcome,
    }
    if is_request:
        attributes |= {"http.request.method": invocation.method, "http.route": route, "url.path": path}
    span = telemetry.tracer("lumigate.tail").start_span(
        f"lost {invocation.kind}",
        kind=SpanKind.SERVER if is_request else SpanKind.INTERNAL,
        attributes=attributes,
        start_time=started_ns,
        parent=telemetry.extract(invocation.headers),
    )
    for thrown in invocation.exceptions:
        details = {
            "exception.type": thrown.name,
            "exception.message": thrown.message,
            "exception.stacktrace": thrown.stack,
        }
        span.add_event("exception", details, timestamp=int(thrown.time_ms * 1e6))
    span.set_status(StatusCode.ERROR, invocation.outcome)
    _record_logs(telemetry, invocation, span)
    span.end(int(ended_ms * 1e6))


def _path(url: str) -> str:
    try:
        return shown_path(urlsplit(url).path)
    except ValueError:  # it is told as it came, whatever came
        return ""


def _record_logs(telemetry: Telemetry, invocation: Invocation, span: Span) -> None:
    logger = telemetry.logger("lumigate.tail")
    for line in invocation.logs[-MAX_LOGS:]:
        logger.emit(
            timestamp=int(line.time_ms * 1e6),
            severity_number=_SEVERITIES.get(line.level, SeverityNumber.INFO),
            severity_text=line.level,
            body=line.text,
            span=span,
        )
