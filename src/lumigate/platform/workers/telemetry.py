"""The telemetry engine for any Python Worker: one object an isolate, one decorator on `fetch`. Needs no gateway.

    telemetry = WorkerTelemetry(metrics=[GREETINGS])

    class Default(WorkerEntrypoint):
        @telemetry.handler
        async def fetch(self, request):
            with telemetry.tracer.start_as_current_span("greet"):
                telemetry.metric(GREETINGS).add(1)
                telemetry.log("greeted", "Hello was said")
            return Response("Hello!")

The decorator opens the server span under the caller's `traceparent`, records `http.server.request.duration`, tells an
exception and raises it again, and hands the export to `ctx.waitUntil` when the answer is on its way. Settings are the
standard `OTEL_*` vars of the Worker, read by the first request, since there are none while modules are imported; one
that is malformed turns telemetry off and is said on the console: a guest does not take its host down.

Where the Worker has the compatibility flag `enable_request_signal`, the handler of a client that hangs up is cancelled
and told as `client_abort`. Without it there is nobody to notice, and what the handler waited for is kept for good.

This module, `abort`, `clock`, `environ`, `hang_up`, `headers`, `post`, `secrets_store` and `timeout` beside it and the
package `lumigate.telemetry` are all it takes.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import js
from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import SpanKind, StatusCode
from workers import Response

from lumigate.platform.workers.clock import WorkersClock, WorkersEntropy
from lumigate.platform.workers.environ import of_telemetry, read_environ, read_settings, renew_secrets
from lumigate.platform.workers.hang_up import HangUp
from lumigate.platform.workers.headers import read_headers
from lumigate.platform.workers.post import post
from lumigate.platform.workers.secrets_store import SECRETS
from lumigate.telemetry import ConfigurationError, Host, Instrument, Telemetry, TelemetryConfig, Tracer
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric

type Handler = Callable[..., Awaitable[Any]]

_OTHER_METHOD = "_OTHER"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})

_LEFT: Mapping[str, Any] = {"http.response.status_code": 499, "error.type": "client_abort"}
"""How a request is told whose client left before its answer, as the gateway tells it."""

_NONE = -1
"""No revision of secrets: they have not been looked at."""

REQUEST_DURATION = Metric(
    name="http.server.request.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="From the call of the handler to its answer; a stream's body comes later.",
    attributes=(
        Attribute(key="http.request.method", description="The method.", values=_METHODS | {_OTHER_METHOD}),
        Attribute(key="http.response.status_code", description="The status of the answer.", type=int),
        Attribute(key="error.type", description="The class of what the handler raised, or `client_abort`."),
    ),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)


class WorkerTelemetry:
    """Spans, metrics and logs of one isolate. Made at import; everything but `handler` is for use inside requests."""

    def __init__(
        self,
        *,
        name: str = "worker",
        metrics: Iterable[Metric] = (),
        resource: Mapping[str, Any] | None = None,
    ) -> None:
        self._name = name
        self._metrics = (REQUEST_DURATION, *metrics)
        self._resource = {
            "cloud.provider": "cloudflare",
            "cloud.platform": "cloudflare.workers",
            **(resource or {}),
        }
        self._clock = WorkersClock()
        self._engine: Telemetry | None = None
        self._revision = _NONE

    @property
    def engine(self) -> Telemetry:
        """The engine itself, for what is not offered here. Made when it is first asked for."""
        if self._engine is None:
            self._engine = self._make(read_environ())
        return self._engine

    def _make(self, environ: Mapping[str, Any]) -> Telemetry:
        return Telemetry(
            _config(environ),
            clock=self._clock,
            entropy=WorkersEntropy(),
            metrics=self._metrics,
            resource=self._resource,
            scope_name=self._name,
        )

    async def _open(self, host: Host) -> None:
        """Make the engine with the secrets of the Secrets Store, as they are now; off where one cannot be had."""
        try:
            environ = await read_settings(of_telemetry)
        except ConfigurationError as error:
            _tell(error)
            if self._engine is None:
                self._engine = self._make({"OTEL_SDK_DISABLED": "true"})
            return  # the next request tries again
        if self._revision == SECRETS.revision:
            return  # another request was faster
        replaced, self._revision = self._engine, SECRETS.revision
        self._engine = self._make(environ)
        if replaced is not None:
            host.background(replaced.flush(host))

    @property
    def tracer(self) -> Tracer:
        """Its spans are children of the request's where they are current, which the decorator sees to."""
        return self.engine.tracer(self._name)

    def metric(self, declaration: Metric) -> Instrument:
        """The instrument of a declaration that was given as one of `metrics`."""
        return self.engine.instrument(declaration)

    def log(
        self,
        event: str,
        body: str = "",
        *,
        severity: SeverityNumber = SeverityNumber.INFO,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Emit a log record with the name `event`, tied to the current span."""
        self.engine.logger(self._name).emit(
            event_name=event,
            body=body,
            severity_number=severity,
            severity_text=severity.name,
            attributes=attributes,
        )

    def handler(self, fetch: Handler) -> Handler:
        """Decorate the `fetch` of a WorkerEntrypoint."""

        @functools.wraps(fetch)
        async def instrumented(entrypoint: Any, request: Any, *rest: Any) -> Any:
            hang_up = HangUp(getattr(request, "js_object", request), entrypoint.ctx)
            try:
                return await serve(hang_up, entrypoint, request, rest)
            except asyncio.CancelledError:
                if not hang_up.fired:
                    raise
                return Response(None, status=499)  # read by nobody
            finally:
                hang_up.close()

        async def serve(hang_up: HangUp, entrypoint: Any, request: Any, rest: tuple[Any, ...]) -> Any:
            host = Host(post=post, background=entrypoint.ctx.waitUntil)
            if self._revision != SECRETS.revision:
                await self._open(host)
            if SECRETS.is_due():
                host.background(renew_secrets(of_telemetry))
            engine = self.engine
            try:
                return await self._answer(engine, hang_up, fetch, entrypoint, request, rest)
            finally:
                engine.after_request(host)

        return instrumented

    async def _answer(
        self,
        engine: Telemetry,
        hang_up: HangUp,
        fetch: Handler,
        entrypoint: Any,
        request: Any,
        rest: tuple[Any, ...],
    ) -> Any:
        raw = getattr(request, "js_object", request)
        method = raw.method if raw.method in _METHODS else _OTHER_METHOD
        measured: dict[str, Any] = {"http.request.method": method}
        headers = read_headers(raw.headers)
        began_ns = self._clock.now_ns()
        try:
            with self.tracer.start_as_current_span(
                method,
                context=engine.extract(headers),
                kind=SpanKind.SERVER,
                attributes={"http.request.method": method, "url.path": urlsplit(raw.url).path},
            ) as span:
                try:
                    hang_up.take_over()
                    response = await fetch(entrypoint, request, *rest)
                except asyncio.CancelledError:
                    if hang_up.fired:
                        measured |= _LEFT
                        span.set_attributes(_LEFT)
                    raise
                status = getattr(response, "status", 200)
                status = (
                    status if isinstance(status, int) else 200
                )  # what it is worth is for the runtime to say
                measured["http.response.status_code"] = status
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_status(StatusCode.ERROR)
                return response
        except BaseException as error:
            measured.setdefault("error.type", type(error).__name__)
            raise
        finally:
            seconds = max(0, self._clock.now_ns() - began_ns) / 1e9
            engine.instrument(REQUEST_DURATION).record(seconds, measured)


def _config(environ: Mapping[str, Any]) -> TelemetryConfig:
    values = {name: str(value) for name, value in environ.items() if isinstance(value, str | int | float)}
    try:
        return TelemetryConfig.from_environ(values)
    except ConfigurationError as error:
        _tell(error)
        return TelemetryConfig(disabled=True)


def _tell(error: ConfigurationError) -> None:
    js.console.error(json.dumps({"event": "telemetry_off", "level": "error", "message": str(error)}))
