"""How a request ended: its metrics, its data point, its wide event, the decision on its trace, the flush.

Telemetry is a guest: nothing here raises into the request or waits for anything. The table of requests in progress is
plain data that outlives them: on Workers a request whose client left may never run again, so a later request of the
same isolate closes what has been silent for too long, with its true outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from opentelemetry.trace import Span, StatusCode

from lumigate.catalog import DATA_POINT, OUTCOME, PROBES, VERSION
from lumigate.courier import MetricsCourier
from lumigate.ledger.settlement import settle
from lumigate.ports import Ports
from lumigate.scope import Scope
from lumigate.telemetry import Telemetry
from lumigate.telemetry.sinks.analytics_engine import build_point
from lumigate.wide_events import WideEvents

_LEVELS = {"upstream_error": "warn", "truncated": "warn", "client_abort": "warn", "error": "error"}
_OUTCOMES = sorted(OUTCOME.values or ())


class RequestRecorder:
    """One an isolate."""

    def __init__(
        self,
        telemetry: Telemetry,
        courier: MetricsCourier,
        events: WideEvents,
        *,
        environment: str,
        version: str,
        silent_seconds: float,
    ) -> None:
        self._telemetry = telemetry
        self._courier = courier
        self._events = events
        self._environment = environment
        self._version = version
        self._silent_ns = int(silent_seconds * 1e9)
        self._in_progress: dict[str, Scope] = {}
        self._swept_ns = 0
        self._routes_told: set[str] = set()
        self._version_told = False
        self._deployed = version.rpartition("+")[2]
        """The deployed version as Cloudflare names it; without one, the release."""

    def begin(self, scope: Scope) -> None:
        """Enter a request into the table, and close those that fell silent."""
        facts = scope.facts
        self._in_progress[facts.request_id] = scope
        if facts.started_ns - self._swept_ns > self._silent_ns // 4:
            self._swept_ns = facts.started_ns
            self._attempt(self._sweep, scope)

    def _sweep(self, by: Scope) -> None:
        deadline_ns = by.facts.started_ns - self._silent_ns
        silent = [s for s in self._in_progress.values() if s.facts.last_active_ns < deadline_ns]
        for scope in silent:
            # Only plain data of the dead request is touched: its ports belong to it and are gone.
            if scope.open_call is not None:
                self._attempt(scope.open_call.finish, "client_abort")
            self.finish(scope, by.ports, scope.facts.status or 499, "client_abort", "client_abort")

    def finish(self, scope: Scope, ports: Ports, status: int, outcome: str, error_code: str) -> None:
        facts = scope.facts
        if facts.finished:
            return
        facts.finished = True
        self._in_progress.pop(facts.request_id, None)
        scope.give_back_room()
        facts.status, facts.outcome, facts.error_code = status, outcome, error_code
        ended_ns = scope.clock.now_ns()
        duration_ns = max(0, ended_ns - facts.started_ns)
        self._attempt(self._settle, scope, ports)
        self._attempt(self._end_span, scope)
        self._attempt(self._record_metrics, scope, duration_ns)
        self._attempt(self._write, scope, ports, duration_ns)
        self._attempt(self._telemetry.after_request, self._courier.host(ports))
        self._attempt(self._record_own_cost, scope, ended_ns)

    def background[**P](
        self, ports: Ports, work: Callable[P, Coroutine[Any, Any, object]], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Let work go on after the answer. What it measured would otherwise wait for the next request, if one comes."""

        async def reported() -> None:
            try:
                await work(*args, **kwargs)
            finally:
                self._attempt(self._telemetry.after_request, self._courier.host(ports))

        ports.background(reported())

    def announce(
        self, ports: Ports, event: str, *, time_ns: int, level: str, span: Span, **values: Any
    ) -> None:
        """An event that is no request. Never raises."""
        about = {"event": event, "time": rfc3339(time_ns), "level": level}
        traced = {"trace_id": format(span.get_span_context().trace_id, "032x")}
        deployed = {"environment": self._environment, "version": self._version}
        self._write_event(ports, about | traced | deployed | values, event, time_ns, span)

    def _write_event(
        self, ports: Ports, values: dict[str, Any], summary: str, time_ns: int, span: Span
    ) -> None:
        self._attempt(self._events.print, ports, values)
        self._attempt(self._events.log, values, summary, time_ns=time_ns, span=span)

    def _attempt[**P](self, part: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Telemetry never breaks its host, nor one part of it another; the failure itself is counted."""
        try:
            part(*args, **kwargs)
        except Exception as error:
            self._telemetry.report(error)

    def _settle(self, scope: Scope, ports: Ports) -> None:
        """Tell the tenant's ledger what was really used, in the background."""
        reservation, scope.reservation = scope.reservation, None
        if reservation is not None:
            self.background(ports, settle, scope, ports, reservation)

    def _end_span(self, scope: Scope) -> None:
        facts, span = scope.facts, scope.span
        span.set_attributes(
            {
                "http.response.status_code": facts.status,
                "lumigate.outcome": facts.outcome,
                "lumigate.cache.outcome": facts.cache,
            }
        )
        if facts.error_code:
            span.set_attribute("error.type", facts.error_code)
        # HTTP conventions: a server span is an error for 5xx; a 4xx is the client's. A cut stream is one too.
        if facts.status >= 500 or facts.outcome in ("upstream_error", "truncated", "error"):
            span.set_status(StatusCode.ERROR, facts.error_code)
        span.end()

    def _record_metrics(self, scope: Scope, duration_ns: int) -> None:
        facts, instruments = scope.facts, scope.instruments
        labels: dict[str, Any] = {
            "http.request.method": facts.method,
            "http.route": facts.route,
            "http.response.status_code": facts.status,
        }
        if facts.error_code:
            labels["error.type"] = facts.error_code
        route = {"http.route": facts.route}
        instruments.request_duration.record(duration_ns / 1e9, labels, span=scope.span)
        overhead_ns = max(0, duration_ns - facts.upstream_ns)
        instruments.gateway_overhead.record(overhead_ns / 1e9, route, span=scope.span)
        if facts.route not in self._routes_told:
            # A series counts from its second sample on: the first failure of a route must not be its first sample.
            self._routes_told.add(facts.route)
            for outcome in _OUTCOMES:
                instruments.outcomes.add(0, {**route, "lumigate.outcome": outcome})
        instruments.outcomes.add(1, {**route, "lumigate.outcome": facts.outcome})
        if facts.route not in PROBES:
            self._record_version(scope, overhead_ns)
        if facts.model:
            instruments.request_cost.record(facts.cost_usd, route, span=scope.span)
            instruments.cache_outcomes.add(1, {**route, "lumigate.cache.outcome": facts.cache})

    def _record_version(self, scope: Scope, overhead_ns: int) -> None:
        """The same by version, for a rollout that compares two."""
        outcomes, version = scope.instruments.version_outcomes, {VERSION.key: self._deployed}
        if not self._version_told:
            self._version_told = True
            for outcome in _OUTCOMES:
                outcomes.add(0, {**version, OUTCOME.key: outcome})
        outcomes.add(1, {**version, OUTCOME.key: scope.facts.outcome})
        scope.instruments.version_overhead.record(overhead_ns / 1e9, version)

    def _record_own_cost(self, scope: Scope, ended_ns: int) -> None:
        """What all of this added to the response. On Workers the clock stands still while the CPU works: waits only."""
        seconds = max(0, scope.clock.now_ns() - ended_ns) / 1e9
        scope.instruments.telemetry_overhead.record(
            seconds, {"http.route": scope.facts.route}, span=scope.span
        )

    def _write(self, scope: Scope, ports: Ports, duration_ns: int) -> None:
        values = self._values(scope, duration_ns)
        self._attempt(self._write_point, ports, values)
        facts = scope.facts
        summary = f"{facts.method} {facts.route} {facts.status} {facts.outcome}"
        self._write_event(ports, values, summary, facts.started_ns, scope.span)

    def _values(self, scope: Scope, duration_ns: int) -> dict[str, Any]:
        """Everything that is known of the request, by the catalog's names."""
        facts = scope.facts
        context = scope.span.get_span_context()
        return {
            "event": "request",
            "time": rfc3339(facts.started_ns),
            "level": _LEVELS.get(facts.outcome, "info"),
            "trace_id": format(context.trace_id, "032x"),
            "span_id": format(context.span_id, "016x"),
            "trace_kept": scope.span.kept,
            "request_id": facts.request_id,
            "tenant": facts.tenant,
            "subject_hash": facts.subject_hash,
            "method": facts.method,
            "route": facts.route,
            "status": facts.status,
            "outcome": facts.outcome,
            "error_code": facts.error_code,
            "duration_ms": duration_ns / 1e6,
            "upstream_ms": facts.upstream_ns / 1e6,
            "ttfc_ms": facts.first_chunk_ns / 1e6,
            "auth_ms": facts.auth_ns / 1e6,
            "l1_ms": facts.l1_ns / 1e6,
            "route_ms": facts.route_ns / 1e6,
            "auth_method": facts.auth_method,
            "auth_reason": facts.auth_reason,
            "cache": facts.cache,
            "provider": facts.provider,
            "model": facts.model,
            "model_alias": facts.model_alias,
            "attempts": facts.attempts,
            "fallbacks": facts.fallbacks,
            "stream": facts.stream,
            "input_tokens": facts.input_tokens,
            "output_tokens": facts.output_tokens,
            "cache_read_tokens": facts.cache_read_tokens,
            "reasoning_tokens": facts.reasoning_tokens,
            "cost_usd": facts.cost_usd,
            "cost_estimated": facts.cost_estimated,
            "conversation_id": facts.conversation_id,
            "tenant_class": facts.tenant_class,
            "request_bytes": facts.request_bytes,
            "response_bytes": facts.response_bytes,
            "region": facts.region,
            "country": facts.country,
            "colo": facts.colo,
            "environment": self._environment,
            "version": self._version,
        }

    def _write_point(self, ports: Ports, values: dict[str, Any]) -> None:
        if ports.data_points is None:
            return
        point = build_point(DATA_POINT, values)
        ports.data_points.write(index=point.index, blobs=point.blobs, doubles=point.doubles)


def rfc3339(time_ns: int) -> str:
    """UTC, to the millisecond."""
    return (
        datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
