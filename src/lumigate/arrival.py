"""The first step of a request's life: its headers are read once, its server span is opened, its scope is made.

Names follow OpenTelemetry's HTTP conventions: a method that is not known names no span and no metric.
"""

from __future__ import annotations

from opentelemetry.trace import SpanKind

from lumigate.http.bounds import SHOWN_HEADER_CHARS, SHOWN_METHOD_CHARS, SHOWN_PATH_CHARS
from lumigate.http.paths import shown_path
from lumigate.http.room import BodyRoom
from lumigate.http.types import Request
from lumigate.instruments import Instruments
from lumigate.ports import Clock, Entropy, Ports
from lumigate.record import RequestRecorder
from lumigate.scope import Facts, Scope
from lumigate.telemetry import Logger, Telemetry, Tracer

KNOWN_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})
_OTHER = "_OTHER"


class Arrivals:
    """One an isolate: what every scope is made of."""

    def __init__(
        self,
        telemetry: Telemetry,
        recorder: RequestRecorder,
        instruments: Instruments,
        *,
        tracer: Tracer,
        logger: Logger,
        clock: Clock,
        entropy: Entropy,
        body_timeout_seconds: float,
        max_bodies_bytes: int,
    ) -> None:
        self._telemetry = telemetry
        self._recorder = recorder
        self._instruments = instruments
        self._tracer = tracer
        self._logger = logger
        self._clock = clock
        self._entropy = entropy
        self._body_timeout_seconds = body_timeout_seconds
        self._room = BodyRoom(max_bodies_bytes)

    def open(self, request: Request, ports: Ports, route: str) -> Scope:
        """The scope of a request that has just come in. `route` is its template; empty if there is none.

        A `traceparent` that is malformed starts a new trace, and is never an error.
        """
        now_ns = self._clock.now_ns()
        request_id = f"req_{self._entropy.random_bytes(12).hex()}"
        method = request.method if request.method in KNOWN_METHODS else _OTHER
        name = "HTTP" if method == _OTHER else method
        span = self._tracer.start_span(
            f"{name} {route}" if route else name,
            context=self._telemetry.extract(request.headers),
            kind=SpanKind.SERVER,
            attributes=_attributes(request, method, route, request_id),
            start_time=now_ns,
        )
        scope = Scope(
            request=request,
            ports=ports,
            clock=self._clock,
            tracer=self._tracer,
            logger=self._logger,
            span=span,
            instruments=self._instruments,
            recorder=self._recorder,
            room=self._room,
            body_timeout_seconds=self._body_timeout_seconds,
            facts=Facts(
                request_id=request_id,
                method=method,
                route=route,
                started_ns=now_ns,
                last_active_ns=now_ns,
                country=request.country,
                colo=request.colo,
            ),
        )
        self._recorder.begin(scope)
        request.disconnect.subscribe(scope.abort)
        return scope


def _attributes(request: Request, method: str, route: str, request_id: str) -> dict[str, str]:
    """What the server span says from its first moment on."""
    attributes = {
        "http.request.method": method,
        "http.route": route,
        "url.path": shown_path(request.path)[:SHOWN_PATH_CHARS],
        "url.scheme": request.scheme,
        "lumigate.request.id": request_id,
    }
    optional = (
        ("http.request.method_original", request.method[:SHOWN_METHOD_CHARS] if method == _OTHER else ""),
        ("user_agent.original", request.headers.get("user-agent", "")[:SHOWN_HEADER_CHARS]),
        ("geo.country.iso_code", request.country),
        ("cloudflare.colo", request.colo),
    )
    attributes.update((key, value) for key, value in optional if value)
    return attributes
