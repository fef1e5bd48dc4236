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
from typing import Any, Final, cast

from opentelemetry import context as context_api
from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind
from opentelemetry.trace.propagation import _SPAN_KEY

from lumigate.telemetry.attributes import cleaned, safe_text
from lumigate.telemetry.consistent import with_threshold
from lumigate.telemetry.ids import is_random
from lumigate.telemetry.local_trace import LocalTrace
from lumigate.telemetry.pipeline import MAX_LIVE_SPANS, MAX_SPANS_PER_TRACE, Pipeline, SpanProcessor
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

type _Head = tuple[int, str, int, bool, int | None, Mapping[str, Any] | None]
"""Trace id, tracestate, W3C flags, whether to record, the sampling threshold, attributes."""
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

    def start_span(  # noqa: PLR0912 # the hot path, in one piece: each call would cost a tenth of it
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
                above = (context_api.get_current() if context is None else context).get(_SPAN_KEY)
            elif isinstance(parent, dict):
                above, context = parent.get(_SPAN_KEY), parent
            else:
                above = parent
            if self._foreign is not None:
                return self._start_elsewhere(
                    above,
                    name,
                    context,
                    kind,
                    attributes,
                    links,
                    start_time,
                    record_exception,
                    set_status_on_exception,
                )
            if type(above) is not RecordingSpan or (trace := above._trace).pipeline is not pipeline:
                if type(above) is UnsampledSpan:
                    return above
                return self._start_elsewhere(
                    above,
                    name,
                    context,
                    kind,
                    attributes,
                    links,
                    start_time,
                    record_exception,
                    set_status_on_exception,
                )
            spans, verdict = trace.spans, trace.verdict
            if (
                len(spans) >= MAX_SPANS_PER_TRACE
                or pipeline.live_spans >= MAX_LIVE_SPANS
                or (verdict is not None and not verdict.keep)
            ):
                return self._without_record(above)
            if type(name) is not str or len(name) > _MAX_NAME or not name.isascii():
                name = safe_text(name, _MAX_NAME)
            limits = pipeline.limits
            clean, dropped, heavy = cleaned(attributes, limits.span_attributes, limits.span_value_length)
            if start_time is None:
                start_ns = pipeline.now_ns()
                if start_ns <= trace.last_ns:
                    start_ns = trace.last_ns + 1
                trace.last_ns = start_ns
            else:
                start_ns = self._given(trace, start_time, above.start_ns)
            if above.end_ns or above._parent is not None:
                start_ns = _not_after_the_end(start_ns, above)
            span = RecordingSpan(
                trace,
                above,
                above.span_id,
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
            spans.append(span)
            trace.open += 1
            pipeline.live_spans += 1
            if dropped or heavy or links or pipeline.processors or verdict is not None:
                self._finish_start(trace, span, dropped, heavy, links, context)
            return span
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
        above: object,
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        links: Sequence[Link] | None,
        start_time: int | None,
        record_exception: bool,
        set_status_on_exception: bool,
    ) -> Span:
        """A span without a recording local parent, or one that an SDK sampler must be asked about."""
        pipeline = self._pipeline
        parent = _context_above(above)
        if self._disabled:
            return self._without_record(above)
        trace_id, trace_state, flags, recording, threshold, attributes = self._decide(
            parent, above, context, name, kind, attributes, links
        )
        span_id = pipeline.ids.generate_span_id()
        if not recording:
            pipeline.counts.spans_unsampled += 1
            state = api.TraceState.from_header([trace_state]) if trace_state else None
            return UnsampledSpan(trace_id, span_id, flags, state)
        # a span of another engine is a parent like any from outside
        local = above if type(above) is RecordingSpan and above._trace.pipeline is pipeline else None
        if local is not None:
            trace = local._trace
            if not pipeline.has_room(trace):
                return self._without_record(local)
        else:
            trace = LocalTrace(
                pipeline,
                trace_id,
                trace_state,
                flags,
                threshold,
                parent is not None and bool(parent.trace_flags & _SAMPLED),
                pipeline.now_ns(),
            )
            pipeline.begin_trace(trace)
        limits = pipeline.limits
        clean, dropped, heavy = cleaned(attributes, limits.span_attributes, limits.span_value_length)
        if start_time is None:
            start_ns = trace.begun_ns if local is None else trace.stamp()
        else:
            start_ns = self._given(trace, start_time, 0 if local is None else local.start_ns)
        if local is not None:
            start_ns = _not_after_the_end(start_ns, local)
        span = RecordingSpan(
            trace,
            local,
            0 if parent is None else parent.span_id,
            flags | HAS_IS_REMOTE | (IS_REMOTE if parent is not None and parent.is_remote else 0),
            span_id,
            safe_text(name, _MAX_NAME),
            kind._value_ + 1 if type(kind) is SpanKind else 1,
            self._scope,
            start_ns,
            clean,
            options_of(record_exception, set_status_on_exception),
        )
        span.trace_state = trace_state
        if local is None:
            trace.root = span
        trace.spans.append(span)
        trace.open += 1
        pipeline.live_spans += 1
        if dropped or heavy or links or pipeline.processors or trace.verdict is not None:
            self._finish_start(trace, span, dropped, heavy, links, context)
        return span

    def _decide(
        self,
        parent: SpanContext | None,
        above: object,
        context: Context | None,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        links: Sequence[Link] | None,
    ) -> _Head:
        ids = self._pipeline.ids
        if parent is not None:
            trace_id, flags = parent.trace_id, int(parent.trace_flags) & _RANDOM
            trace_state = parent.trace_state.to_header() if parent.trace_state else ""
        else:
            trace_id, trace_state = ids.generate_trace_id(), ""
            flags = self._random_flag
        if self._foreign is not None:
            around = _context_of(above, context)
            result = self._foreign.should_sample(around, trace_id, name, kind, attributes, links or ())
            sampled = result.decision.is_sampled()
            return (
                trace_id,
                result.trace_state.to_header() if result.trace_state else "",
                flags | (_SAMPLED if sampled else 0),
                result.decision.is_recording(),
                None,
                result.attributes,
            )
        head = self._head
        sampled, threshold = head.decide(trace_id, parent, trace_state)
        if sampled and threshold and not (head.parent_based and parent is not None):
            trace_state = with_threshold(trace_state, threshold)
        return (trace_id, trace_state, flags | (_SAMPLED if sampled else 0), sampled, threshold, attributes)

    def _finish_start(
        self,
        trace: LocalTrace,
        span: RecordingSpan,
        dropped: int,
        heavy: bool,
        links: Sequence[Link] | None,
        context: Context | None,
    ) -> None:
        """What few spans need when they start."""
        pipeline = self._pipeline
        if dropped:
            span._drop_attributes(dropped)
        if heavy:
            span._options |= HEAVY
        if trace.verdict is not None:
            pipeline.traces[trace] = None
        for link in links or ():
            span.add_link(link.context, link.attributes)
        if pipeline.processors:
            pipeline.started(span, context)

    def _without_record(self, above: object) -> UnsampledSpan:
        """A stand-in where there is no room, or no point: its context is the parent's, so propagation goes on."""
        context = _context_above(above)
        if type(above) is RecordingSpan and (above._trace.verdict is None or above._trace.verdict.keep):
            self._pipeline.counts.drop("traces", "span_limit")
        if context is None:
            return UnsampledSpan(0, 0, 0, None)
        return UnsampledSpan(
            context.trace_id, context.span_id, int(context.trace_flags), context.trace_state or None
        )

    def _given(self, trace: LocalTrace, start_time: object, earliest_ns: int) -> int:
        if type(start_time) is not int or start_time <= 0:
            self._pipeline.misuse("bad_time", "start_time")
            return trace.stamp()
        trace.explicit_times = True
        return max(start_time, earliest_ns)


class CurrentSpan:
    """`with` (or a decorator, for functions and coroutines) that starts a span and makes it the current one."""

    __slots__ = ("_end_on_exit", "_span", "_start", "_token")

    def __init__(self, start: Callable[[], Span], end_on_exit: bool) -> None:
        self._start = start
        self._end_on_exit = end_on_exit

    def __enter__(self) -> Span:
        span = self._span = self._start()
        # as the API's set_value does, with one copy of the context instead of two
        context = Context(context_api.get_current())
        dict.__setitem__(context, _SPAN_KEY, span)
        self._token = context_api.attach(context)
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


def _not_after_the_end(start_ns: int, parent: RecordingSpan) -> int:
    """A span that is started under one that has ended, or under whose forebears one has, starts and ends there."""
    above: RecordingSpan | None = parent
    while above is not None:
        if above.end_ns and start_ns > above.end_ns:
            start_ns = above.end_ns
        above = above._parent
    return start_ns


def _context_above(above: object) -> SpanContext | None:
    """The valid span context of whatever was given as a parent."""
    if above is None:
        return None
    context = above.get_span_context() if isinstance(above, api.Span) else above
    return context if isinstance(context, SpanContext) and context.is_valid else None


def _context_of(above: object, context: Context | None) -> Context:
    """A context whose current span is the parent, for samplers that look there."""
    if isinstance(above, SpanContext):
        above = api.NonRecordingSpan(above)
    if isinstance(above, api.Span):
        return api.set_span_in_context(above, context)
    return Context()
