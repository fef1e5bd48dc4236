"""The scope of one request: its ports, its span, and the facts that its telemetry will tell.

It is passed explicitly to everything that works for the request; nothing is ambient, because an isolate interleaves
many requests. `Facts` is plain data, so that a later request can close one that died (see `lumigate.record`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

from opentelemetry.trace import SpanKind, StatusCode

from lumigate.auth.caller import Caller
from lumigate.errors import CallerError, LumigateError
from lumigate.http.room import BodyRoom
from lumigate.http.types import Request
from lumigate.instruments import Instruments
from lumigate.ledger.settlement import Reservation
from lumigate.ports import Clock, Ports
from lumigate.privacy.mask import mask
from lumigate.telemetry import Logger, Span, Tracer


@dataclass(slots=True, kw_only=True)
class Facts:
    """What a request's wide event and data point say; filled in as they become known."""

    request_id: str
    method: str
    route: str
    started_ns: int
    country: str = ""
    region: str = ""
    """The region that the request's data must stay in."""
    colo: str = ""
    tenant: str = ""
    subject_hash: str = ""
    auth_method: str = ""
    auth_reason: str = ""
    cache: str = "bypass"
    provider: str = ""
    model: str = ""
    model_alias: str = ""
    attempts: int = 0
    fallbacks: int = 0
    stream: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    reasoning_tokens: int = 0
    cost_estimated: bool = False
    tenant_class: str = "standard"
    cost_usd: float = 0.0
    settled_usd: float = 0.0
    """Of the cost, what the tenant's ledger is told of apart."""
    upstream_ns: int = 0
    first_chunk_ns: int = 0
    auth_ns: int = 0
    l1_ns: int = 0
    """Of the lookup in the isolate's memory, if that was a hit."""
    route_ns: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    status: int = 0
    outcome: str = ""
    error_code: str = ""
    last_active_ns: int = 0
    finished: bool = False
    conversation_id: str = ""


class OpenCall(Protocol):
    """A model call in progress, as far as a disconnect needs to know it."""

    def abort(self) -> None:
        """Stop it: cancel the connection and finish."""
        ...

    def finish(self, result: str) -> None:
        """Finish without touching the connection."""
        ...


class Recorder(Protocol):
    """Writes down how a request ended (steps 7 and 8 of its life)."""

    def finish(self, scope: Scope, ports: Ports, status: int, outcome: str, error_code: str) -> None: ...

    def background[**P](
        self, ports: Ports, work: Callable[P, Coroutine[Any, Any, object]], *args: P.args, **kwargs: P.kwargs
    ) -> None: ...


@dataclass(slots=True, kw_only=True)
class Scope:
    """One request on its way through. `span` is the server span, the parent of all others."""

    request: Request
    ports: Ports
    clock: Clock
    tracer: Tracer
    logger: Logger
    span: Span
    instruments: Instruments
    facts: Facts
    recorder: Recorder
    room: BodyRoom
    """The isolate's, for all bodies together."""
    room_taken: int = 0
    body_timeout_seconds: float = 60.0
    """How long the request may take to arrive whole."""
    open_call: OpenCall | None = None
    caller: Caller | None = None
    """Who has been let in; None on routes that are open to all."""
    region_source: str = ""
    """Who said that the data must stay in `facts.region`."""
    reservation: Reservation | None = None
    """What the request holds of its tenant's ledger, to be settled when it ends."""
    limit_headers: Mapping[str, str] = field(default_factory=dict)
    """What is left of the tenant's limits, for the answer."""

    @property
    def headers(self) -> Mapping[str, str]:
        return self.request.headers

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return format(self.span.get_span_context().trace_id, "032x")

    def finish(self, status: int, outcome: str, error_code: str = "") -> None:
        """Say how the request ended, once: the first to say so is believed. Never raises."""
        self.recorder.finish(self, self.ports, status, outcome, error_code)
        # Without this the request would hold itself until the garbage collector comes by, prompt and answer included.
        self.request.disconnect.unsubscribe(self.abort)
        self.open_call = None  # a race, or the winner of one, knows its request

    def give_back_room(self) -> None:
        """The body is no longer needed. Plain numbers: a later request may do it for one that died."""
        taken, self.room_taken = self.room_taken, 0
        self.room.give_back(taken)

    def background[**P](
        self, work: Callable[P, Coroutine[Any, Any, object]], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Let work go on after the answer; what it measures is exported when it is done."""
        self.recorder.background(self.ports, work, *args, **kwargs)

    def abort(self) -> None:
        """The client has gone: stop the model call and finish. The platform calls it at the hang-up."""
        if self.facts.finished:
            return
        try:
            if self.open_call is not None:
                self.open_call.abort()
        finally:  # nobody else will say how it ended
            self.finish(self.facts.status or 499, "client_abort", "client_abort")

    def step(
        self,
        name: str,
        *,
        attributes: Mapping[str, Any] | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: Span | None = None,
    ) -> Step:
        """Time a piece of work as a span: `with scope.step("auth.check") as step: …`."""
        span = self.tracer.start_span(name, kind=kind, attributes=attributes, parent=parent or self.span)
        return Step(self.clock, span)


class Step:
    """A span around a block. An exception that leaves the block marks it and passes on."""

    __slots__ = ("_clock", "ended_ns", "span", "started_ns")

    def __init__(self, clock: Clock, span: Span) -> None:
        self._clock = clock
        self.span = span
        self.started_ns = clock.now_ns()
        self.ended_ns = 0

    @property
    def seconds(self) -> float:
        """How long the block took; so far, if it has not ended."""
        return ((self.ended_ns or self._clock.now_ns()) - self.started_ns) / 1e9

    def __enter__(self) -> Step:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(error)

    def end(self, error: BaseException | None = None) -> None:
        """End the span, once; `error` makes it a failed one."""
        if self.ended_ns:
            return
        self.ended_ns = self._clock.now_ns()
        if error is not None:
            fail_span(self.span, error)
        self.span.end()


def fail_span(span: Span, error: BaseException) -> None:
    """Mark a span as failed: `error.type` is our stable code where there is one, else the exception's class."""
    if isinstance(error, LumigateError):
        span.set_attribute("error.type", error.code)
        # A caller's fault is no error of ours: it would keep the trace of every junk token.
        if not isinstance(error, CallerError):
            # A provider's refusal may quote the prompt.
            span.set_status(StatusCode.ERROR, mask(error.message) if error.is_told else error.code)
    else:
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(StatusCode.ERROR)
        if isinstance(error, Exception):
            span.record_exception(error)
