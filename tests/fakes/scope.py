"""One request's scope over fakes and the real, strict telemetry engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import SpanKind

from lumigate import catalog
from lumigate.http.room import BodyRoom
from lumigate.http.types import Disconnect, Request
from lumigate.instruments import Instruments
from lumigate.ports import (
    Ports,
)
from lumigate.scope import Facts, Scope
from lumigate.telemetry import Telemetry
from tests.fakes.observed import Observed
from tests.fakes.ports import FakePorts, fake_ports
from tests.fakes.settings import make_settings


class FakeRecorder:
    """Keeps how the request ended; the first to say so is believed, as with the real one."""

    def __init__(self) -> None:
        self.endings: list[tuple[int, str, str]] = []

    def finish(self, scope: Scope, ports: Ports, status: int, outcome: str, error_code: str) -> None:
        if not scope.facts.finished:
            scope.facts.finished = True
            self.endings.append((status, outcome, error_code))
            scope.span.end()

    def background[**P](
        self, ports: Ports, work: Callable[P, Coroutine[Any, Any, object]], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        ports.background(work(*args, **kwargs))


@dataclass(slots=True, kw_only=True)
class ScopeUnderTest:
    """A scope and everything around it."""

    scope: Scope
    ports: FakePorts
    observed: Observed
    recorder: FakeRecorder


def make_request(
    method: str = "POST",
    path: str = "/v1/chat/completions",
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    disconnect: Disconnect | None = None,
) -> Request:
    async def read_body(limit_bytes: int) -> bytes | None:
        await asyncio.sleep(0)
        return body if len(body) <= limit_bytes else None

    return Request(
        method=method,
        path=path,
        headers=headers or {},
        read_body=read_body,
        country="DE",
        colo="FRA",
        disconnect=disconnect or Disconnect(),
    )


def make_scope(
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    tenant: str = "acme",
    ports: FakePorts | None = None,
    telemetry: Telemetry | None = None,
) -> ScopeUnderTest:
    """One request's scope over fakes and the real, strict telemetry engine."""
    ports = ports or fake_ports()
    telemetry = telemetry or Telemetry(
        make_settings().telemetry,
        clock=ports.clock,
        entropy=ports.entropy,
        metrics=catalog.METRICS,
        strict=True,
    )
    observed = Observed(telemetry)
    tracer = telemetry.tracer("test")
    recorder = FakeRecorder()
    now_ns = ports.clock.now_ns()
    scope = Scope(
        request=make_request(headers=headers, body=body),
        ports=ports,
        clock=ports.clock,
        tracer=tracer,
        logger=telemetry.logger("test"),
        span=tracer.start_span("request", kind=SpanKind.SERVER, parent=None),
        instruments=Instruments(telemetry),
        facts=Facts(
            request_id="req_test",
            method="POST",
            route="/v1/chat/completions",
            started_ns=now_ns,
            last_active_ns=now_ns,
            tenant=tenant,
        ),
        recorder=recorder,
        room=BodyRoom(1 << 24),
    )
    return ScopeUnderTest(scope=scope, ports=ports, observed=observed, recorder=recorder)
