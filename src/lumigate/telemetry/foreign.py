"""A tracer whose sampler is not ours: an SDK sampler is asked about every span, as its contract says.

It may record one span of a trace and not the next, or record a span without sampling it; so nothing of the short way
that the built-in samplers allow is taken here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind
from opentelemetry.trace.propagation import _SPAN_KEY

from lumigate.telemetry.attributes import cleaned, safe_text
from lumigate.telemetry.limits import MAX_NAME
from lumigate.telemetry.local_trace import LocalTrace
from lumigate.telemetry.pipeline import Pipeline
from lumigate.telemetry.records import Scope
from lumigate.telemetry.sampling import ForeignSampler, HeadSampler
from lumigate.telemetry.span import HAS_IS_REMOTE, IS_REMOTE, RecordingSpan, Span, options_of
from lumigate.telemetry.tracer import (
    CURRENT,
    RANDOM,
    SAMPLED,
    Parent,
    Tracer,
    context_above,
    not_after_the_end,
)
from lumigate.telemetry.unsampled import UnsampledSpan


class ForeignlySampledTracer(Tracer):
    """Starts spans as an SDK sampler decides."""

    def __init__(
        self, pipeline: Pipeline, scope: Scope, sampler: ForeignSampler, *, disabled: bool = False
    ) -> None:
        super().__init__(pipeline, scope, HeadSampler(), disabled=disabled)
        self._sampler = sampler

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
        parent: Parent = CURRENT,
    ) -> Span:
        try:
            above: object = parent
            if parent is CURRENT:
                above = (context_api.get_current() if context is None else context).get(_SPAN_KEY)
            elif isinstance(parent, dict):
                above, context = parent.get(_SPAN_KEY), parent
            if self._disabled:
                return self._without_record(above)
            options = options_of(record_exception, set_status_on_exception)
            return self._start_asking(above, name, context, kind, attributes, links, start_time, options)
        except Exception as error:
            self._pipeline.failed("start_span", error)
            return UnsampledSpan(0, 0, 0, None)

    def _start_asking(
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
        pipeline = self._pipeline
        parent = context_above(above)
        trace_id = pipeline.ids.generate_trace_id() if parent is None else parent.trace_id
        flags = self._random_flag if parent is None else int(parent.trace_flags) & RANDOM
        around = _context_of(above, context)
        result = self._sampler.should_sample(around, trace_id, name, kind, attributes, links or ())
        if result.decision.is_sampled():
            flags |= SAMPLED
        span_id = pipeline.ids.generate_span_id()
        if not result.decision.is_recording():
            pipeline.counts.spans_unsampled += 1
            return UnsampledSpan(trace_id, span_id, flags, result.trace_state)
        trace_state = result.trace_state.to_header() if result.trace_state else ""
        # a span of another engine is a parent like any from outside
        local = above if type(above) is RecordingSpan and above._trace.pipeline is pipeline else None
        if local is not None:
            trace = local._trace
            if not pipeline.has_room(trace):
                return self._without_record(local)
        else:
            caller_sampled = parent is not None and bool(parent.trace_flags & SAMPLED)
            trace = LocalTrace(
                pipeline, trace_id, trace_state, flags, None, caller_sampled, pipeline.now_ns()
            )
            pipeline.begin_trace(trace)
        limits = pipeline.limits
        clean, dropped, heavy = cleaned(result.attributes, limits.span_attributes, limits.span_value_length)
        if start_time is not None:
            start_ns = self._given(trace, start_time, 0 if local is None else local.start_ns)
        else:
            start_ns = trace.begun_ns if local is None else trace.stamp()
        if local is not None:
            start_ns = not_after_the_end(start_ns, local)
        span = RecordingSpan(
            trace,
            local,
            0 if parent is None else parent.span_id,
            flags | HAS_IS_REMOTE | (IS_REMOTE if parent is not None and parent.is_remote else 0),
            span_id,
            safe_text(name, MAX_NAME),
            kind._value_ + 1 if type(kind) is SpanKind else 1,
            self._scope,
            start_ns,
            clean,
            options,
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


def _context_of(above: object, context: Context | None) -> Context:
    """A context whose current span is the parent, for samplers that look there."""
    if isinstance(above, SpanContext):
        above = api.NonRecordingSpan(above)
    if isinstance(above, api.Span):
        return api.set_span_in_context(above, context)
    return Context()
