"""The part of a trace that lives in this isolate: one local root and the spans under it.

It is plain data. Time in it is a logical clock laid over the Clock port: each stamp is the port's reading, or one
nanosecond after the trace's last stamp when the port's has not moved past it. On Workers the clock stands still while
the CPU works and may step back; so stamps tie, and a viewer would shuffle the spans. With this rule no child starts
before its parent or ends after it, no duration is negative, and order survives in every backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lumigate.telemetry.pipeline import Pipeline
    from lumigate.telemetry.span import RecordingSpan
    from lumigate.telemetry.tail import Verdict


class LocalTrace:
    """Spans in the order they were started, and what the decision at the end needs to know."""

    __slots__ = (
        "begun_ns",
        "caller_sampled",
        "error",
        "explicit_times",
        "flags",
        "keep_reason",
        "last_ns",
        "open",
        "pipeline",
        "root",
        "spans",
        "threshold",
        "trace_id",
        "trace_state",
        "verdict",
        "watched",
    )

    def __init__(
        self,
        pipeline: Pipeline,
        trace_id: int,
        trace_state: str,
        flags: int,
        threshold: int | None,
        caller_sampled: bool,
        begun_ns: int,
    ) -> None:
        self.pipeline = pipeline
        self.trace_id = trace_id
        self.trace_state = trace_state
        self.flags = flags
        """W3C flags of every span here: sampled or not, random id or not."""
        self.threshold = threshold
        """The head sampler's, None if unknown."""
        self.caller_sampled = caller_sampled
        self.begun_ns = begun_ns
        self.last_ns = begun_ns
        self.spans: list[RecordingSpan] = []
        self.open = 0
        self.root: RecordingSpan | None = None
        self.error = False
        self.explicit_times = False
        self.keep_reason = ""
        self.verdict: Verdict | None = None
        self.watched = False
        """Not sampled, and only its root recorded, because something went wrong."""

    def stamp(self) -> int:
        """Now, and later than every stamp given before."""
        now = self.pipeline.now_ns()
        if now <= self.last_ns:
            now = self.last_ns + 1
        self.last_ns = now
        return now
