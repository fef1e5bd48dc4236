"""The tracer and its provider: OpenTelemetry's API, plus explicit parents.

`start_span(…, parent=…)` takes the parent as an argument instead of from a context variable. That is how this
project's own code passes it on: on Workers context variables have crossed from one request into another, and a plain
argument is also three times cheaper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry import context as context_api
from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind
from opentelemetry.trace.propagation import _SPAN_KEY

from lumigate.telemetry.attributes import cleaned, memory_of, safe_text
from lumigate.telemetry.consistent import with_threshold
from lumigate.telemetry.current import CurrentSpan
from lumigate.telemetry.ids import is_random
from lumigate.telemetry.limits import MAX_NAME
from lumigate.telemetry.local_trace import LocalTrace
from lumigate.telemetry.pipeline import MAX_LIVE_SPANS, MAX_SPANS_PER_TRACE, Pipeline
from lumigate.telemetry.records import END_OF_TIME_NS, Scope
from lumigate.telemetry.sampling import HeadSampler
from lumigate.telemetry.span import (
    DEFAULT_OPTIONS,
    HAS_IS_REMOTE,
    IS_REMOTE,
    RecordingSpan,
    Span,
    options_of,
)
from lumigate.telemetry.unsampled import UnsampledSpan
from lumigate.telemetry.watched import WatchedRoot

type Parent = api.Span | SpanContext | Context | None
CURRENT: Final[Any] = object()
SAMPLED: Final = 1
RANDOM: Final = 2


class Tracer(api.Tracer):
    """Starts spans for one instrumentation scope."""

    def __init__(
        self,
        pipeline: Pipeline,
        scope: Scope,
        head: HeadSampler,
        *,
        disabled: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._scope = scope
        self._head = head
        self._disabled = disabled
        self._random_flag = RANDOM if is_random(pipeline.ids) else 0

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
        parent: Parent = CURRENT,
    ) -> Span:
        """Start a span under `parent`; without one, under the current span of `context`. `parent=None`: a new trace."""
        pipeline = self._pipeline
        try:
            if parent is CURRENT:
                above = (context_api.get_current() if context is None else context).get(_SPAN_KEY)
            elif isinstance(parent, dict):
                above, context = parent.get(_SPAN_KEY), parent
            else:
                above = parent
            if type(above) is not RecordingSpan or (trace := above._trace).pipeline is not pipeline:
                if type(above) is UnsampledSpan:
                    return above
                if type(above) is WatchedRoot:
                    return above.span_below or above.make_span_below()
                options = options_of(record_exception, set_status_on_exception)
                return self._start_root(above, name, context, kind, attributes, links, start_time, options)
            spans, verdict = trace.spans, trace.verdict
            if (
                len(spans) >= MAX_SPANS_PER_TRACE
                or pipeline.live_spans >= MAX_LIVE_SPANS
                or (verdict is not None and not verdict.keep)
            ):
                return self._without_record(above)
            if type(name) is not str or len(name) > MAX_NAME or not name.isascii():
                name = safe_text(name, MAX_NAME)
            limits = pipeline.limits
            clean, dropped, heavy = cleaned(attributes, limits.span_attributes, limits.span_value_length)
            if start_time is None:
                start_ns = pipeline.now_ns()
                if start_ns <= trace.last_ns:
                    start_ns = trace.last_ns + 1
                trace.last_ns = start_ns
            else:
                start_ns = self._given(trace, start_time, above.start_ns)
            if above._parent is not None or above.end_ns:
                start_ns = not_after_the_end(start_ns, above)
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
        parent: Parent = CURRENT,
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

    def _start_root(
        self,
        above: object,
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        links: Sequence[Link] | None,
        start_time: int | None,
        options: int,
    ) -> Span:
        """The first span here of a trace: it has no parent, or one in another process or engine."""
        if self._disabled:
            return self._without_record(above)
        pipeline, head = self._pipeline, self._head
        parent = None if above is None else context_above(above)
        if parent is None:
            trace_id, trace_state, parent_id = pipeline.ids.generate_trace_id(), "", 0
            flags, span_flags = self._random_flag, HAS_IS_REMOTE
        else:
            trace_id, parent_id = parent.trace_id, parent.span_id
            trace_state = parent.trace_state.to_header() if parent.trace_state else ""
            flags = int(parent.trace_flags) & RANDOM
            span_flags = HAS_IS_REMOTE | (IS_REMOTE if parent.is_remote else 0)
        sampled, threshold = head.decide(trace_id, parent, trace_state)
        span_id = pipeline.ids.generate_span_id()
        if sampled:
            flags |= SAMPLED
            if threshold and not (head.parent_based and parent is not None):
                trace_state = with_threshold(trace_state, threshold)
        else:
            state = api.TraceState.from_header([trace_state]) if trace_state else None
            if not pipeline.watches_unsampled:
                pipeline.counts.spans_unsampled += 1
                return UnsampledSpan(trace_id, span_id, flags, state)
            return WatchedRoot(
                trace_id,
                span_id,
                flags | span_flags,
                state,
                pipeline,
                self._scope,
                parent_id,
                name,
                kind._value_ + 1 if type(kind) is SpanKind else 1,
                attributes,
                start_time if type(start_time) is int and 0 < start_time < END_OF_TIME_NS else 0,
                options,
            )
        trace = LocalTrace(
            pipeline,
            trace_id,
            trace_state,
            flags,
            threshold,
            parent is not None and bool(parent.trace_flags & SAMPLED),
            pipeline.now_ns(),
        )
        pipeline.begin_trace(trace)
        limits = pipeline.limits
        clean, dropped, heavy = cleaned(attributes, limits.span_attributes, limits.span_value_length)
        span = RecordingSpan(
            trace,
            None,
            parent_id,
            flags | span_flags,
            span_id,
            name
            if type(name) is str and len(name) <= MAX_NAME and name.isascii()
            else safe_text(name, MAX_NAME),
            kind._value_ + 1 if type(kind) is SpanKind else 1,
            self._scope,
            trace.begun_ns if start_time is None else self._given(trace, start_time, 0),
            clean,
            options,
        )
        trace.root = span
        trace.spans.append(span)
        trace.open = 1
        pipeline.live_spans += 1
        if dropped or heavy or links or pipeline.processors:
            self._finish_start(trace, span, dropped, heavy, links, context)
        return span

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
        if heavy and not pipeline.reserve(trace, memory_of(span.attributes)):
            span._drop_attributes(len(span.attributes))
            span.attributes = {}
        if trace.verdict is not None:
            pipeline.traces[trace] = None
        for link in links or ():
            span.add_link(link.context, link.attributes)
        if pipeline.processors:
            pipeline.started(span, context)

    def _without_record(self, above: object) -> UnsampledSpan:
        """A stand-in where there is no room, or no point: its context is the parent's, so propagation goes on."""
        context = context_above(above)
        if type(above) is RecordingSpan and (above._trace.verdict is None or above._trace.verdict.keep):
            self._pipeline.counts.drop("traces", "span_limit")
        if context is None:
            return UnsampledSpan(0, 0, 0, None)
        return UnsampledSpan(
            context.trace_id, context.span_id, int(context.trace_flags), context.trace_state or None
        )

    def _given(self, trace: LocalTrace, start_time: object, earliest_ns: int) -> int:
        if type(start_time) is not int or not 0 < start_time < END_OF_TIME_NS:
            self._pipeline.misuse("bad_time", "start_time")
            return trace.stamp()
        trace.explicit_times = True
        return max(start_time, earliest_ns)


def not_after_the_end(start_ns: int, parent: RecordingSpan) -> int:
    """A span that is started under one that has ended, or under whose forebears one has, starts and ends there."""
    above: RecordingSpan | None = parent
    while above is not None:
        if above.end_ns and start_ns > above.end_ns:
            start_ns = above.end_ns
        above = above._parent
    return start_ns


def context_above(above: object) -> SpanContext | None:
    """The valid span context of whatever was given as a parent."""
    if above is None:
        return None
    context = above.get_span_context() if isinstance(above, api.Span) else above
    return context if isinstance(context, SpanContext) and context.is_valid else None
