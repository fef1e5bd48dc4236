"""The life of a request, top to bottom.

    1. read the headers once, open the server span      `arrival`
    2. who is calling, and may they                     `auth`, `region`
    3. parse and validate the body                      `api.chat`
    4. look in the cache                                `cache.tiers`
    5. choose a provider, call it                       `llm.router`, `llm.call`
    6. answer, or pass the stream on                    `answer`, `llm.relay`
    7. metrics, one data point, one wide event          `record`
    8. keep the trace or not, hand over the flush       `record`

A `Gateway` lives as long as its isolate and holds plain data only; whatever does I/O comes with each request. What it
answers on is `api.routes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from lumigate import __version__, catalog, deploys
from lumigate.answer import Answers, refusal
from lumigate.api.near_embeddings import PromptEmbedder
from lumigate.api.routes import route_table
from lumigate.arrival import Arrivals
from lumigate.auth.authenticator import Authenticator
from lumigate.auth.policy import ADMIN_PREFIX, RoutePolicy
from lumigate.auth.rate_limit import RateLimiter
from lumigate.cache.near.register import sweep_vectors
from lumigate.cache.tiers import TieredCache
from lumigate.config import Settings
from lumigate.courier import MetricsCourier
from lumigate.errors import ImportFailed, InternalError, LumigateError
from lumigate.http.bounds import check_head
from lumigate.http.cors import Cors
from lumigate.http.security import SecurityHeaders
from lumigate.http.types import Request, Response
from lumigate.instruments import Instruments
from lumigate.llm.router import Router
from lumigate.ports import Clock, Entropy, Ports
from lumigate.privacy.mask import mask
from lumigate.record import RequestRecorder
from lumigate.region import Regions
from lumigate.scope import Scope
from lumigate.telemetry import Telemetry
from lumigate.wide_events import WideEvents

_SILENT_MARGIN_SECONDS = 30.0


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
        self._instruments = Instruments(self.telemetry)
        self._courier = MetricsCourier(
            self.telemetry, self._instruments, settings.metrics, clock=clock, entropy=entropy
        )
        self._recorder = RequestRecorder(
            self.telemetry,
            self._courier,
            WideEvents(settings.wide_event_sinks, self.telemetry.logger("lumigate", version)),
            environment=settings.environment,
            version=version,
            silent_seconds=max(
                settings.upstream_timeout_seconds,
                settings.stream_idle_seconds,
                settings.http.body_timeout_seconds,
            )
            + _SILENT_MARGIN_SECONDS,
        )
        self._arrivals = Arrivals(
            self.telemetry,
            self._recorder,
            self._instruments,
            tracer=self._tracer,
            logger=self.telemetry.logger("lumigate", version),
            clock=clock,
            entropy=entropy,
            body_timeout_seconds=settings.http.body_timeout_seconds,
            max_bodies_bytes=settings.http.max_bodies_bytes,
        )
        self._authenticator = Authenticator(settings.auth)
        self._rate_limiter = RateLimiter(
            settings.rate_limit_period_seconds, open_on_failure=settings.rate_limit_failure == "open"
        )
        self._regions = Regions(settings)
        self._cors = Cors(settings.http)
        self._answers = Answers(self._cors, SecurityHeaders(settings.http))
        self._router = Router(settings)
        cache = TieredCache(settings.cache, keys=settings.sealing_keys)
        if settings.cache.near_embedding_model:
            cache.near.confirm = PromptEmbedder(settings, self._router)
        self._routes = route_table(
            settings, authenticator=self._authenticator, cache=cache, router=self._router
        )
        self._policy = RoutePolicy(settings.auth.policy, self._routes.authenticated)

    async def handle(self, request: Request, ports: Ports) -> Response:
        """Answer a request. Raises nothing but cancellation; the caller drains a streamed body."""
        scope = self._arrivals.open(request, ports, self._routes.template(request.path))
        try:
            response = await self._respond(scope)
        except LumigateError as error:
            response = refusal(scope, error)
        except asyncio.CancelledError:
            scope.abort()
            raise
        except ImportError as error:
            response = refusal(scope, self._import_failed(scope, error))
        except Exception as error:  # a defect of ours: the caller learns nothing, the trace everything
            scope.span.record_exception(error)
            response = refusal(scope, InternalError())
        return self._answers.finish(scope, response)

    async def _respond(self, scope: Scope) -> Response:
        """Steps 2 to 6."""
        request = scope.request
        check_head(request, self.settings.http)
        if self._cors.is_preflight(request):
            return self._cors.preflight(request, self._routes.methods(request.path))
        endpoint = self._routes.match(request.method, request.path)
        if endpoint.authenticated:
            await self._admit(scope)
            if not endpoint.template.startswith(ADMIN_PREFIX):  # what operators look at lies everywhere
                self._regions.confine(scope)
        return await endpoint.handler(scope)

    async def _admit(self, scope: Scope) -> None:
        """Find out who is calling, and whether they may. Raises what keeps them out."""
        await self._rate_limiter.check_address(scope)
        scope.caller = await self._authenticator.check(scope)
        facts = scope.facts
        facts.tenant_class = self.settings.tenant_classes.get(facts.tenant, facts.tenant_class)
        self._policy.check(scope)
        await self._rate_limiter.check(scope)

    def _import_failed(self, scope: Scope, error: ImportError) -> ImportFailed:
        """A module is missing from the bundle: an event and a counter of its own, so that it stands out."""
        module = error.name or "unknown"
        self._instruments.import_failures.add(1, {"lumigate.module": module})
        self._recorder.announce(
            scope.ports,
            "import_failure",
            time_ns=self._clock.now_ns(),
            level="error",
            span=scope.span,
            request_id=scope.facts.request_id,
            module=module,
        )
        scope.span.record_exception(error)
        return ImportFailed(module)

    async def scheduled(self, ports: Ports, cron: str = "") -> None:
        """The cron run: a heartbeat through the whole path, and everything that was still buffered."""
        span = self._tracer.start_span("cron", attributes={"lumigate.cron": cron})
        self._instruments.heartbeat.add(1, {})
        await self._watch_deploys(ports)
        span.end()
        self._recorder.announce(
            ports,
            "cron",
            time_ns=self._clock.now_ns(),
            level="info",
            span=span,
        )
        if ports.key_value is not None:
            await self._router.refresh_snapshot(ports.key_value)
            await self._sweep_vectors(ports)
        await self.flush(ports)

    async def _sweep_vectors(self, ports: Ports) -> None:
        """Whether or not near matches are on by now: what they left behind must go."""
        if ports.key_value is None or ports.vectors is None:
            return
        try:
            await sweep_vectors(ports.key_value, ports.vectors, self._clock.now_ns() // 1_000_000_000)
        except Exception as error:  # the next run tries again
            self.telemetry.report(error)

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

    def count_secret_reads(self, tally: Mapping[str, int]) -> None:
        """What came of reading secrets, since nothing can be counted before there is a gateway."""
        for result, number in tally.items():
            self._instruments.secret_reads.add(number, {"lumigate.secret.result": result})

    async def flush(self, ports: Ports) -> None:
        """Export everything that is buffered, now."""
        await self.telemetry.flush(self._courier.host(ports))
