"""The life of a request, top to bottom.

    1. read the headers once, open the server span      `_arrive`
    2. who is calling, and may they                     `Authenticator`, `RateLimiter`
    3. parse and validate the body                      `api.chat`
    4. look in the cache                                `cache.tiers`
    5. choose a provider, call it                       `llm.router`, `llm.call`
    6. answer, or pass the stream on                    `llm.relay`
    7. metrics, one data point, one wide event          `RequestRecorder`
    8. keep the trace or not, hand over the flush       `RequestRecorder`

A `Gateway` lives as long as its isolate and holds plain data only; whatever does I/O comes with each request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace

from opentelemetry.trace import SpanKind

from lumigate import __version__, catalog, deploys
from lumigate.api.admin_providers import provider_routes
from lumigate.api.admin_routes import admin_routes
from lumigate.api.admin_subjects import subject_routes
from lumigate.api.cache_admin import cache_routes
from lumigate.api.chat import ChatCompletions
from lumigate.api.embeddings import Embeddings
from lumigate.api.health import health
from lumigate.api.messages import Messages
from lumigate.api.metrics import Metrics
from lumigate.api.models import Models
from lumigate.api.near_embeddings import PromptEmbedder
from lumigate.api.session_routes import session_routes
from lumigate.api.usage import Usage
from lumigate.auth.authenticator import Authenticator
from lumigate.auth.policy import RoutePolicy
from lumigate.auth.rate_limit import RateLimiter
from lumigate.cache.tiers import TieredCache
from lumigate.config import Settings
from lumigate.courier import MetricsCourier
from lumigate.errors import (
    CallerError,
    ImportFailed,
    InternalError,
    KeysUnavailable,
    LumigateError,
    UpstreamError,
    UpstreamRefused,
)
from lumigate.http.bounds import SHOWN_HEADER_CHARS, SHOWN_METHOD_CHARS, SHOWN_PATH_CHARS, check_head
from lumigate.http.cors import Cors
from lumigate.http.paths import shown_path
from lumigate.http.routing import Endpoint, RouteTable
from lumigate.http.security import SecurityHeaders
from lumigate.http.types import Request, Response, json_response
from lumigate.instruments import Instruments
from lumigate.llm.dialects.anthropic import ANTHROPIC_DIALECT
from lumigate.llm.router import Router
from lumigate.ports import Clock, Entropy, Ports
from lumigate.privacy.mask import mask
from lumigate.record import RequestRecorder, rfc3339
from lumigate.region import Regions
from lumigate.scope import Facts, Scope
from lumigate.telemetry import Telemetry

type Handler = Callable[[Scope], Awaitable[Response]]

MESSAGES_ROUTE = "/v1/messages"
_SILENT_MARGIN_SECONDS = 30.0
KNOWN_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})


class Gateway:
    """One an isolate. Building it does no I/O and needs no entropy."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        entropy: Entropy,
        version: str = __version__,
        resource: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._entropy = entropy
        self._version = version
        self.telemetry = Telemetry(
            replace(settings.telemetry, exports_own_metrics=not settings.metrics.via_shard),
            clock=clock,
            entropy=entropy,
            metrics=catalog.METRICS,
            redact=mask,
            resource={
                "service.version": version,
                "deployment.environment.name": settings.environment,
                **(resource or {}),
            },
        )
        self._tracer = self.telemetry.tracer("lumigate", version)
        self._logger = self.telemetry.logger("lumigate", version)
        self._instruments = Instruments(self.telemetry)
        self._courier = MetricsCourier(
            self.telemetry, self._instruments, settings.metrics, clock=clock, entropy=entropy
        )
        self._recorder = RequestRecorder(
            self.telemetry,
            self._courier,
            environment=settings.environment,
            version=version,
            silent_seconds=max(settings.upstream_timeout_seconds, settings.stream_idle_seconds)
            + _SILENT_MARGIN_SECONDS,
        )
        self._authenticator = Authenticator(settings.auth)
        self._rate_limiter = RateLimiter(
            settings.rate_limit_period_seconds, open_on_failure=settings.rate_limit_failure == "open"
        )
        self._regions = Regions(settings)
        self._cors = Cors(settings.http)
        self._security = SecurityHeaders(settings.http)
        router = Router(settings)
        cache = TieredCache(settings.cache, keys=settings.sealing_keys)
        if settings.cache.near_embedding_model:
            cache.near.confirm = PromptEmbedder(settings, router)
        chat = ChatCompletions(settings, cache, router)
        messages = Messages(settings, cache, router)
        embeddings = Embeddings(settings, cache, router)
        self._router = router
        self._routes: RouteTable[Handler] = RouteTable(
            {
                ("GET", "/health"): Endpoint(template="/health", handler=health, authenticated=False),
                ("GET", "/metrics"): Endpoint(
                    template="/metrics", handler=Metrics(settings.metrics), authenticated=False
                ),
                ("GET", "/v1/usage"): Endpoint(template="/v1/usage", handler=Usage(settings)),
                ("GET", "/v1/models"): Endpoint(template="/v1/models", handler=Models(router)),
                ("POST", "/v1/chat/completions"): Endpoint(template="/v1/chat/completions", handler=chat),
                ("POST", "/v1/messages"): Endpoint(template=MESSAGES_ROUTE, handler=messages),
                ("POST", "/v1/embeddings"): Endpoint(template="/v1/embeddings", handler=embeddings),
                **session_routes(settings, chat, router),
                **admin_routes(self._authenticator, settings.auth),
                **subject_routes(settings, cache, self._authenticator.api_keys),
                **cache_routes(cache),
                **provider_routes(router),
            }
        )

        self._policy = RoutePolicy(settings.auth.policy, self._routes.authenticated)

    async def handle(self, request: Request, ports: Ports) -> Response:
        """Answer a request. Raises nothing but cancellation; the caller drains a streamed body."""
        scope = self._arrive(request, ports)
        try:
            check_head(request, self.settings.http)
            if self._cors.is_preflight(request):
                return self._answer(scope, self._cors.preflight(request, self._routes.methods(request.path)))
            endpoint = self._routes.match(request.method, request.path)
            if endpoint.authenticated:
                await self._rate_limiter.check_address(scope)
                scope.caller = await self._authenticator.check(scope)
                facts = scope.facts
                facts.tenant_class = self.settings.tenant_classes.get(facts.tenant, facts.tenant_class)
                self._policy.check(scope)
                await self._rate_limiter.check(scope)
                if not endpoint.template.startswith("/admin/"):  # what operators look at lies everywhere
                    self._regions.confine(scope)
            response = await endpoint.handler(scope)
        except LumigateError as error:
            response = self._refuse(scope, error)
        except asyncio.CancelledError:
            scope.abort()
            raise
        except ImportError as error:
            response = self._refuse(scope, self._import_failed(scope, error))
        except Exception as error:  # a defect of ours: the caller learns nothing, the trace everything
            scope.span.record_exception(error)
            response = self._refuse(scope, InternalError())
        return self._answer(scope, response)

    async def scheduled(self, ports: Ports, cron: str = "") -> None:
        """The cron run: a heartbeat through the whole path, and everything that was still buffered."""
        span = self._tracer.start_span("cron", attributes={"lumigate.cron": cron})
        self._instruments.heartbeat.add(1, {})
        await self._watch_deploys(ports)
        span.end()
        values = {
            "event": "cron",
            "time": rfc3339(self._clock.now_ns()),
            "level": "info",
            "trace_id": format(span.get_span_context().trace_id, "032x"),
            "environment": self.settings.environment,
            "version": self._version,
        }
        self._recorder.write_event(ports, values)
        if ports.key_value is not None:
            await self._router.refresh_snapshot(ports.key_value)
        await self.flush(ports)

    async def _watch_deploys(self, ports: Ports) -> None:
        if ports.key_value is None:
            return
        try:
            result = await deploys.watch(
                ports.key_value, self._version, self._clock.now_ns() // 1_000_000_000
            )
        except Exception as error:  # a store that fails must not cost the heartbeat
            self.telemetry.report(error)
            return
        if result:
            self._instruments.deploys.add(1, {"lumigate.deploy.result": result})

    async def flush(self, ports: Ports) -> None:
        """Export everything that is buffered, now."""
        await self.telemetry.flush(self._courier.host(ports))

    def _arrive(self, request: Request, ports: Ports) -> Scope:
        route = self._routes.template(request.path)
        now_ns = self._clock.now_ns()
        request_id = f"req_{self._entropy.random_bytes(12).hex()}"
        # HTTP conventions: a method that is not known names no span and no metric.
        method = request.method if request.method in KNOWN_METHODS else "_OTHER"
        name = "HTTP" if method == "_OTHER" else method
        attributes = {
            "http.request.method": method,
            "http.route": route,
            "url.path": shown_path(request.path)[:SHOWN_PATH_CHARS],
            "url.scheme": request.scheme,
            "lumigate.request.id": request_id,
        }
        optional = (
            (
                "http.request.method_original",
                request.method[:SHOWN_METHOD_CHARS] if method == "_OTHER" else "",
            ),
            ("user_agent.original", request.headers.get("user-agent", "")[:SHOWN_HEADER_CHARS]),
            ("geo.country.iso_code", request.country),
            ("cloudflare.colo", request.colo),
        )
        attributes.update((key, value) for key, value in optional if value)
        span = self._tracer.start_span(
            f"{name} {route}" if route else name,
            context=self.telemetry.extract(request.headers),
            kind=SpanKind.SERVER,
            attributes=attributes,
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

    def _refuse(self, scope: Scope, error: LumigateError) -> Response:
        scope.facts.error_code = error.code
        scope.facts.outcome = _outcome(error)
        if scope.facts.route == MESSAGES_ROUTE:  # Anthropic's clients read errors in Anthropic's shape
            body = ANTHROPIC_DIALECT.error_body(error, scope.trace_id)
            return json_response(error.status, body, error.headers | {"request-id": scope.facts.request_id})
        return json_response(error.status, error.to_body(scope.trace_id), error.headers)

    def _import_failed(self, scope: Scope, error: ImportError) -> ImportFailed:
        """A module is missing from the bundle: an event and a counter of its own, so that it stands out."""
        module = error.name or "unknown"
        self._instruments.import_failures.add(1, {"lumigate.module": module})
        values = {
            "event": "import_failure",
            "time": rfc3339(self._clock.now_ns()),
            "level": "error",
            "trace_id": scope.trace_id,
            "request_id": scope.facts.request_id,
            "environment": self.settings.environment,
            "version": self._version,
            "module": module,
        }
        self._recorder.write_event(scope.ports, values)
        scope.span.record_exception(error)
        return ImportFailed(module)

    def _answer(self, scope: Scope, response: Response) -> Response:
        """Add the headers that every answer carries; finish, unless a stream will do so at its end."""
        facts = scope.facts
        context = scope.span.get_span_context()
        response.headers |= {
            **scope.limit_headers,
            "x-request-id": facts.request_id,
            "traceresponse": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}",
            "x-lumigate-cache": facts.cache,
            "x-lumigate-attempts": str(facts.attempts),
        }
        self._security.add(response.headers)
        self._cors.add(scope.request, response.headers)
        if facts.provider:
            response.headers["x-lumigate-provider"] = facts.provider
        if isinstance(response.body, AsyncIterator):
            return response
        facts.response_bytes = len(response.body)
        scope.finish(response.status, facts.outcome or "complete", facts.error_code)
        return response


def _outcome(error: LumigateError) -> str:
    """Whose fault a refusal is, in the catalog's words."""
    if isinstance(error, KeysUnavailable):  # the issuer is an upstream, too
        return "upstream_error"
    if isinstance(error, CallerError | UpstreamRefused):
        return "refused"
    return "upstream_error" if isinstance(error, UpstreamError) else "error"
