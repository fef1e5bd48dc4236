"""The tracer and its provider: OpenTelemetry's API, plus explicit parents.

`start_span(…, parent=…)` takes the parent as an argument instead of from a context variable. That is how this
project's own code passes it on: on Workers context variables have crossed from one request into another, and a plain
argument is also three times cheaper.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, cast

from opentelemetry import context as context_api
from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind
from opentelemetry.trace.propagation import _SPAN_KEY

from lumigate.telemetry.attributes import cleaned, safe_text
from lumigate.telemetry.consistent import with_threshold
from lumigate.telemetry.ids import is_random
from lumigate.telemetry.local_trace import LocalTrace
from lumigate.telemetry.pipeline import Pipeline, SpanProcessor
from lumigate.telemetry.records import Scope
from lumigate.telemetry.sampling import ForeignSampler, HeadSampler
from lumigate.telemetry.span import (
    DEFAULT_OPTIONS,
    HAS_IS_REMOTE,
    HEAVY,
    IS_REMOTE,
    RecordingSpan,
    Span,
    UnsampledSpan,
    options_of,
)

type Parent = api.Span | SpanContext | Context | None
_CURRENT: Final[Any] = object()
_SAMPLED: Final = 1
_RANDOM: Final = 2
_MAX_NAME: Final = 512


class Tracer(api.Tracer):
    """Starts spans for one instrumentation scope."""

    def __init__(
        self,
        pipeline: Pipeline,
        scope: Scope,
        sampler: HeadSampler | ForeignSampler,
        *,
        disabled: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._scope = scope
        self._head = sampler if isinstance(sampler, HeadSampler) else HeadSampler()
        self._foreign = None if isinstance(sampler, HeadSampler) else sampler
        self._disabled = disabled
        self._random_flag = _RANDOM if is_random(pipeline.ids) else 0

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        *,
        parent: Parent = _CURRENT,
    ) -> Span:
        """Start a span under `parent`; without one, under the current span of `context`. `parent=None`: a new trace."""
        pipeline = self._pipeline
        try:
            if parent is _CURRENT:
                parent = api.get_current_span(context)
            if (
                type(parent) is RecordingSpan
                and self._foreign is None
                and (trace := parent._trace).pipeline is pipeline
            ):
                if not pipeline.has_room(trace) or (trace.verdict is not None and not trace.verdict.keep):
                    return self._without_record(parent)
                if type(name) is not str or len(name) > _MAX_NAME or not name.isascii():
                    name = safe_text(name, _MAX_NAME)
                limits = pipeline.limits
                clean, dropped, heavy = cleaned(attributes, limits.span_attributes, limits.span_value_length)
                if start_time is None:
                    start_ns = trace.stamp()
                else:
                    start_ns = self._given(trace, start_time, parent.start_ns)
                if parent.end_ns and start_ns > parent.end_ns:
                    start_ns = parent.end_ns
                span = RecordingSpan(
                    trace,
                    parent,
                    parent.span_id,
                    trace.flags | HAS_IS_REMOTE,
                    pipeline.ids.generate_span_id(),
                    name,
                    kind._value_ + 1 if type(kind) is SpanKind else 1,
                    self._scope,
                    start_ns,
                    clean,
                    DEFAULT_OPTIONS
                    if record_exception and set_status_on_exception
                    else options_of(record_exception, set_status_on_exception),
                )
                return self._begun(trace, span, dropped, heavy, links, context)
            if type(parent) is UnsampledSpan and self._foreign is None:
                return parent
            options = options_of(record_exception, set_status_on_exception)
            return self._start_elsewhere(
                name, _context_of(parent, context), kind, attributes, links, start_time, options
            )
        except Exception as error:
            pipeline.failed("start_span", error)
            return UnsampledSpan(0, 0, 0, None)

    def start_as_current_span(  # type: ignore[override] # one object serves `with` and decorators, as the API's does
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
        *,
        parent: Parent = _CURRENT,
    ) -> CurrentSpan:
        def start() -> Span:
            return self.start_span(
                name,
                context,
                kind,
                attributes,
                links,
                start_time,
                record_exception,
                set_status_on_exception,
                parent=parent,
            )

        return CurrentSpan(start, end_on_exit)

    def _start_elsewhere(
        self,
        name: str,
        context: Context,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        links: Sequence[Link] | None,
        start_time: int | None,
        options: int,
    ) -> Span:
        """A span without a recording local parent, or one that an SDK sampler must be asked about."""
        pipeline = self._pipeline
        parent_span = api.get_current_span(context)
        parent = parent_span.get_span_context()
        if self._disabled:
            return self._without_record(parent_span)
        name = safe_text(name, _MAX_NAME)
        head = self._decide(parent, context, name, kind, attributes, links)
        span_id = pipeline.ids.generate_span_id()
        if not head.recording:
            pipeline.counts.spans_unsampled += 1
            state = api.TraceState.from_header([head.trace_state]) if head.trace_state else None
            return UnsampledSpan(head.trace_id, span_id, head.flags, state)
        # a span of another engine is a parent like any from outside
        local = (
            parent_span
            if type(parent_span) is RecordingSpan and parent_span._trace.pipeline is pipeline
            else None
        )
        if local is not None:
            trace = local._trace
            if not pipeline.has_room(trace):
                return self._without_record(local)
        else:
            caller_sampled = parent.is_valid and bool(parent.trace_flags & _SAMPLED)
            trace = LocalTrace(
                pipeline,
                head.trace_id,
                head.trace_state,
                head.flags,
                head.threshold,
                caller_sampled,
                pipeline.now_ns(),
            )
            pipeline.begin_trace(trace)
        limits = pipeline.limits
        clean, dropped, heavy = cleaned(head.attributes, limits.span_attributes, limits.span_value_length)
        if start_time is None:
            start_ns = trace.begun_ns if local is None else trace.stamp()
        else:
            start_ns = self._given(trace, start_time, 0 if local is None else local.start_ns)
        if local is not None and local.end_ns and start_ns > local.end_ns:
            start_ns = local.end_ns
        span = RecordingSpan(
            trace,
            local,
            parent.span_id if parent.is_valid else 0,
            head.flags | HAS_IS_REMOTE | (IS_REMOTE if parent.is_valid and parent.is_remote else 0),
            span_id,
            name,
            kind._value_ + 1 if type(kind) is SpanKind else 1,
            self._scope,
            start_ns,
            clean,
            options,
        )
        span.trace_state = head.trace_state
        if local is None:
            trace.root = span
        return self._begun(trace, span, dropped, heavy, links, context)

    def _decide(
        self,
        parent: SpanContext,
        context: Context,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        links: Sequence[Link] | None,
    ) -> _Head:
        ids = self._pipeline.ids
        if parent.is_valid:
            trace_id, flags = parent.trace_id, int(parent.trace_flags) & _RANDOM
            trace_state = parent.trace_state.to_header() if parent.trace_state else ""
        else:
            trace_id, trace_state = ids.generate_trace_id(), ""
            flags = self._random_flag
        if self._foreign is not None:
            result = self._foreign.should_sample(context, trace_id, name, kind, attributes, links or ())
            sampled = result.decision.is_sampled()
            return _Head(
                trace_id,
                result.trace_state.to_header() if result.trace_state else "",
                flags | (_SAMPLED if sampled else 0),
                result.decision.is_recording(),
                None,
                result.attributes,
            )
        head = self._head
        sampled, threshold = head.decide(trace_id, parent if parent.is_valid else None, trace_state)
        if sampled and threshold and not (head.parent_based and parent.is_valid):
            trace_state = with_threshold(trace_state, threshold)
        return _Head(
            trace_id, trace_state, flags | (_SAMPLED if sampled else 0), sampled, threshold, attributes
        )

    def _begun(
        self,
        trace: LocalTrace,
        span: RecordingSpan,
        dropped: int,
        heavy: bool,
        links: Sequence[Link] | None,
        context: Context | None,
    ) -> RecordingSpan:
        pipeline = self._pipeline
        if dropped:
            span._drop_attributes(dropped)
        if heavy:
            span._options |= HEAVY
        trace.spans.append(span)
        trace.open += 1
        pipeline.live_spans += 1
        pipeline.counts.spans_started += 1
        if trace.verdict is not None:
            pipeline.traces[trace] = None
        if links:
            for link in links:
                span.add_link(link.context, link.attributes)
        if pipeline.processors:
            pipeline.started(span, context)
        return span

    def _without_record(self, parent: api.Span) -> UnsampledSpan:
        """A stand-in where there is no room, or no point: its context is the parent's, so propagation goes on."""
        context = parent.get_span_context()
        if type(parent) is RecordingSpan and (parent._trace.verdict is None or parent._trace.verdict.keep):
            self._pipeline.counts.drop("traces", "span_limit")
        return UnsampledSpan(
            context.trace_id, context.span_id, int(context.trace_flags), context.trace_state or None
        )

    def _given(self, trace: LocalTrace, start_time: object, earliest_ns: int) -> int:
        if type(start_time) is not int or start_time <= 0:
            self._pipeline.misuse("bad_time", "start_time")
            return trace.stamp()
        trace.explicit_times = True
        return max(start_time, earliest_ns)


class _Head(NamedTuple):
    """What the head sampler decided about a span without a recording local parent."""

    trace_id: int
    trace_state: str
    flags: int
    recording: bool
    threshold: int | None
    attributes: Mapping[str, Any] | None


class CurrentSpan:
    """`with` (or a decorator, for functions and coroutines) that starts a span and makes it the current one."""

    __slots__ = ("_end_on_exit", "_span", "_start", "_token")

    def __init__(self, start: Callable[[], Span], end_on_exit: bool) -> None:
        self._start = start
        self._end_on_exit = end_on_exit

    def __enter__(self) -> Span:
        span = self._span = self._start()
        self._token = context_api.attach(context_api.set_value(_SPAN_KEY, span))
        return span

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        context_api.detach(self._token)
        span = self._span
        # as in the API's use_span: leaving by GeneratorExit or CancelledError is not an error
        if isinstance(exc_val, Exception) and type(span) is RecordingSpan and not span.end_ns:
            span.record_escape(exc_val)
        if self._end_on_exit:
            span.end()

    def __call__[**P, R](self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def traced_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
                with CurrentSpan(self._start, self._end_on_exit):
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", traced_coroutine)

        @functools.wraps(function)
        def traced(*args: P.args, **kwargs: P.kwargs) -> R:
            with CurrentSpan(self._start, self._end_on_exit):
                return function(*args, **kwargs)

        return traced


class TracerProvider(api.TracerProvider):
    """Hands out tracers; takes SDK span processors."""

    def __init__(
        self, pipeline: Pipeline, sampler: HeadSampler | ForeignSampler, *, disabled: bool = False
    ) -> None:
        self._pipeline = pipeline
        self._sampler = sampler
        self._disabled = disabled
        self._tracers: dict[tuple[str, str, str], Tracer] = {}

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Tracer:
        name = safe_text(instrumenting_module_name or "", _MAX_NAME)
        key = (name, instrumenting_library_version or "", schema_url or "")
        tracer = self._tracers.get(key) if not attributes else None
        if tracer is None:
            clean, _, _ = cleaned(attributes, 128, self._pipeline.limits.value_length)
            scope = Scope(*key, clean)
            tracer = Tracer(self._pipeline, scope, self._sampler, disabled=self._disabled)
            if not attributes:
                self._tracers[key] = tracer
        return tracer

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add an OpenTelemetry SDK span processor (and with it, any SDK exporter)."""
        self._pipeline.processors.append(span_processor)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the span processors. Our own exports go through `Telemetry.flush`: they need a request's I/O."""
        done = True
        for processor in self._pipeline.processors:
            flush = getattr(processor, "force_flush", None)
            done = (flush is None or bool(flush(timeout_millis))) and done
        return done

    def shutdown(self) -> None:
        """Shut the span processors down."""
        for processor in self._pipeline.processors:
            stop = getattr(processor, "shutdown", None)
            if stop is not None:
                stop()


def _context_of(parent: Parent, context: Context | None) -> Context:
    """A context whose current span is the parent."""
    if isinstance(parent, api.Span):
        return api.set_span_in_context(parent, context)
    if isinstance(parent, SpanContext):
        return api.set_span_in_context(api.NonRecordingSpan(parent), context or Context())
    if isinstance(parent, dict):
        return parent
    return Context()
