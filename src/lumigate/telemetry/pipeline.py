"""Where spans go when they end: into their trace, and from there, decided on as a whole, to the buffer.

Traces in progress are bounded in number, spans and memory; one whose local root never ends is closed by a later
request and counted. All of it is plain data: any request may carry on what another began.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from lumigate.telemetry.counts import Counts
from lumigate.telemetry.errors import MisuseError
from lumigate.telemetry.exceptions import Redact, as_it_is
from lumigate.telemetry.host import Clock
from lumigate.telemetry.ids import IdGenerator
from lumigate.telemetry.limits import Limits
from lumigate.telemetry.readable import ReadableResource, ReadableSpan
from lumigate.telemetry.self_metrics import LATE_NS, UNFINISHED
from lumigate.telemetry.span import ERROR, RecordingSpan

if TYPE_CHECKING:
    from lumigate.telemetry.local_trace import LocalTrace
    from lumigate.telemetry.tail import Tail

MAX_LIVE_TRACES: Final = 1024
MAX_LIVE_SPANS: Final = 8192
MAX_SPANS_PER_TRACE: Final = 1024
MAX_LIVE_BYTES: Final = 8 << 20
MAX_TRACE_AGE_NS: Final = 15 * 60 * 1_000_000_000
"""Longer than any request may last (a stream included) on the platforms this runs on."""


class SpanProcessor(Protocol):
    """An OpenTelemetry SDK span processor. Gets `ReadableSpan`s; independent of the decision at the end of traces."""

    def on_start(self, span: Any, parent_context: Any = None) -> None: ...

    def on_end(self, span: Any) -> None: ...


class Sink(Protocol):
    """Takes the kept spans of a trace and the memory their long values hold."""

    def __call__(self, spans: list[RecordingSpan], extra_bytes: int, *, important: bool) -> None: ...


class Pipeline:
    """What tracers and spans share. One an isolate."""

    __slots__ = (
        "_bytes",
        "_resource",
        "_sink",
        "_tail",
        "counts",
        "ids",
        "is_slow",
        "limits",
        "live_bytes",
        "live_spans",
        "mixed",
        "now_ns",
        "processors",
        "redact",
        "strict",
        "traces",
        "watches_slow",
        "watches_unsampled",
    )

    def __init__(
        self,
        *,
        clock: Clock,
        ids: IdGenerator,
        limits: Limits,
        counts: Counts,
        tail: Tail,
        sink: Sink,
        resource: Callable[[], ReadableResource],
        strict: bool,
        redact: Redact = as_it_is,
    ) -> None:
        self.now_ns = clock.now_ns
        self.ids = ids
        self.limits = limits
        self.counts = counts
        self.strict = strict
        self.redact = redact
        self.mixed = False
        """Whether an SDK sampler is in use: it may record single spans of a trace without sampling them."""
        self.watches_unsampled = tail.watches_unsampled
        """Whether the root of an unsampled trace is kept an eye on, for what the decision at the end keeps."""
        self.watches_slow = tail.watches_slow
        self.is_slow = tail.is_slow
        self.processors: list[SpanProcessor] = []
        self.traces: dict[LocalTrace, None] = {}
        self.live_spans = 0
        self.live_bytes = 0
        self._bytes: dict[LocalTrace, int] = {}
        self._tail = tail
        self._sink = sink
        self._resource = resource

    def begin_trace(self, trace: LocalTrace) -> None:
        if len(self.traces) >= MAX_LIVE_TRACES:
            self._abandon(next(iter(self.traces)))
        self.traces[trace] = None

    def has_room(self, trace: LocalTrace) -> bool:
        return len(trace.spans) < MAX_SPANS_PER_TRACE and self.live_spans < MAX_LIVE_SPANS

    def reserve(self, trace: LocalTrace, size: int) -> bool:
        """Account for long values, events and links of a trace in progress; False where there is no room for more."""
        if self.live_bytes + size > MAX_LIVE_BYTES:
            return False
        self._bytes[trace] = self._bytes.get(trace, 0) + size
        self.live_bytes += size
        return True

    def started(self, span: RecordingSpan, parent_context: Any) -> None:
        """Tell the foreign span processors."""
        view = ReadableSpan(span, self._resource())
        for processor in self.processors:
            try:
                processor.on_start(view, parent_context=parent_context)
            except Exception as error:
                self.failed("span_processor", error)

    def end_span(self, trace: LocalTrace, span: RecordingSpan, end_ns: int) -> None:
        ended_ns, above = end_ns, span._parent
        while above is not None:
            # not the parent alone: one further up may have ended while it was still open
            if above.end_ns and end_ns > above.end_ns:
                end_ns = above.end_ns
            above = above._parent
        if end_ns != ended_ns:
            span.attributes[LATE_NS] = ended_ns - end_ns
        span.end_ns = end_ns if end_ns > span.start_ns else span.start_ns
        if span.status_code == ERROR:
            trace.error = True
        trace.open -= 1
        if self.processors:
            self._ended(span)
        if span is trace.root:
            self._complete(trace, span)
        elif trace.verdict is not None:
            self._late(trace, span)

    def sweep(self, now_ns: int) -> None:
        """Close the traces whose root should have ended long ago. Costs nothing while there are none."""
        while self.traces:
            oldest = next(iter(self.traces))
            if oldest.begun_ns + MAX_TRACE_AGE_NS > now_ns:
                return
            self._abandon(oldest)

    def misuse(self, kind: str, detail: str) -> None:
        self.counts.misuse[kind] += 1
        if self.strict:
            raise MisuseError(kind, detail)

    def failed(self, where: str, error: Exception) -> None:
        """A defect, ours or a plug-in's: counted, and raised again under test."""
        self.counts.errors[where] += 1
        if self.strict:
            raise error

    def _complete(self, trace: LocalTrace, root: RecordingSpan) -> None:
        spans = trace.spans
        if trace.explicit_times:
            _fit_into_parents(spans)
        verdict = trace.verdict = self._tail.decide(trace, root)
        if trace.open:
            ended = [span for span in spans if span.end_ns]
            trace.spans = [span for span in spans if not span.end_ns]
        else:
            ended = spans
            trace.spans = []
            self.traces.pop(trace, None)
        trace.root = None  # no reference cycle: memory is freed when the buffer lets go
        self._release(trace, ended, keep=verdict.keep, important=verdict.important)
        if verdict.keep:
            self.counts.traces_kept[verdict.reason] += 1

    def _late(self, trace: LocalTrace, span: RecordingSpan) -> None:
        """A span that ended after its local root follows the decision made then."""
        verdict = trace.verdict
        assert verdict is not None
        span.trace_state = trace.trace_state
        if span in trace.spans:
            trace.spans.remove(span)
        if not trace.open:
            self.traces.pop(trace, None)
        self._release(trace, [span], keep=verdict.keep, important=verdict.important)

    def _release(self, trace: LocalTrace, spans: list[RecordingSpan], *, keep: bool, important: bool) -> None:
        self.live_spans -= len(spans)
        extra = self._bytes.pop(trace, 0) if self._bytes else 0
        self.live_bytes -= extra
        if not keep:
            if trace.watched:
                self.counts.spans_unsampled += len(spans)
            else:
                self.counts.spans_sampled_out += len(spans)
            return
        sampled = [span for span in spans if span.flags & 1] if self.mixed else spans
        self.counts.spans_kept += len(sampled)
        self.counts.spans_sampled_out += len(spans) - len(sampled)
        self._sink(sampled, extra, important=important)

    def _ended(self, span: RecordingSpan) -> None:
        view = ReadableSpan(span, self._resource())
        for processor in self.processors:
            try:
                processor.on_end(view)
            except Exception as error:
                self.failed("span_processor", error)

    def _abandon(self, trace: LocalTrace) -> None:
        self.counts.traces_unfinished += 1
        self.traces.pop(trace, None)
        for span in reversed(trace.spans.copy()):
            if not span.end_ns:
                span.attributes[UNFINISHED] = True
                if not span.status_code:
                    span.status_code, span.status_message = ERROR, "the span was never ended"
                self.end_span(trace, span, max(trace.last_ns, span.start_ns))


def _fit_into_parents(spans: list[RecordingSpan]) -> None:
    """Stamps given by hand may contradict each other: children give way. Parents come before children here."""
    for span in spans:
        parent = span._parent
        if parent is not None and parent.end_ns and span.end_ns:
            span.start_ns = min(max(span.start_ns, parent.start_ns), parent.end_ns)
            span.end_ns = min(max(span.end_ns, span.start_ns), parent.end_ns)
