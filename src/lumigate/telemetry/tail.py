"""The decision at the end of a trace: keep errors, the slow, what the application marked, what the caller asked for,
and a fixed share of the rest by trace id.

What the caller asked for is kept with certainty, so each such trace stands for as many as the head sampler says; one
kept by share stands for 1/share. The tracestate (`ot=th:`) and two attributes of the local root record it.

An unsampled trace is decided on as well, unless `keep_unsampled` is off (`watched.py`): its root alone is exported, if
the request failed, was slow or was marked. So such roots stand for themselves, whatever the head sampler did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lumigate.telemetry.consistent import (
    ALWAYS,
    NEVER,
    probability_of,
    randomness_of,
    threshold_of,
    with_threshold,
)
from lumigate.telemetry.self_metrics import SAMPLING_PROBABILITY, SAMPLING_REASON

if TYPE_CHECKING:
    from lumigate.telemetry.local_trace import LocalTrace
    from lumigate.telemetry.records import SpanRecord
    from lumigate.telemetry.sampling import HeadSampler


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a trace is exported and why. `important` ones are the last to be dropped from a full buffer."""

    keep: bool
    reason: str
    important: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TailPolicy:
    """What is kept. `slow_ms` None: no trace is slow; `slow_ms_by_route` is looked up by the root's `http.route`.

    `keep_unsampled`: of traces that the head declined, show the roots of those that failed, were slow or were marked.
    """

    share: float = 1.0
    slow_ms: float | None = None
    slow_ms_by_route: dict[str, float] = field(default_factory=dict[str, float])
    honour_caller: bool = True
    keep_unsampled: bool = True


_SHARE: Final = Verdict(True, "share")
_SAMPLED_OUT: Final = Verdict(False, "share")
_NOT_SAMPLED: Final = Verdict(False, "record_only")
_ERROR: Final = Verdict(True, "error", True)
_SLOW: Final = Verdict(True, "slow", True)
_CALLER: Final = Verdict(True, "caller")


class Tail:
    """Decides on finished traces, and writes the probability where readers look for it."""

    __slots__ = ("_marks", "_policy", "_threshold", "watches_slow", "watches_unsampled")

    def __init__(self, policy: TailPolicy, head: HeadSampler | None) -> None:
        self._policy = policy
        self._threshold = threshold_of(policy.share)
        # a foreign sampler keeps its own books: its probability is not known here
        head_threshold = ALWAYS if head is None else head.threshold
        # where everything is kept, there is no probability to record
        self._marks = self._threshold != ALWAYS or head_threshold != ALWAYS
        self.watches_slow = policy.slow_ms is not None or bool(policy.slow_ms_by_route)
        # an operator whose sampler says «never» is taken at his word
        self.watches_unsampled = policy.keep_unsampled and head is not None and head.threshold != NEVER

    def is_slow(self, attributes: Mapping[str, Any], duration_ns: int) -> bool:
        """Whether a request of the route that the attributes name has taken too long."""
        policy = self._policy
        limit = policy.slow_ms
        if policy.slow_ms_by_route:
            route = attributes.get("http.route")
            limit = policy.slow_ms_by_route.get(route, limit) if isinstance(route, str) else limit
        return limit is not None and duration_ns >= limit * 1e6

    def decide(self, trace: LocalTrace, root: SpanRecord) -> Verdict:
        if not trace.flags & 1:
            if not trace.watched:
                return _NOT_SAMPLED
            verdict = self._judge_alone(trace, root) or _NOT_SAMPLED
        else:
            verdict = self._judge_alone(trace, root) or self._judge_among_others(trace)
        if verdict.keep and (self._marks or trace.watched or (verdict.important and trace.threshold)):
            self._record(trace, root, verdict)
        return verdict

    def _judge_alone(self, trace: LocalTrace, root: SpanRecord) -> Verdict | None:
        """What is kept whatever else there is."""
        if trace.keep_reason:
            return Verdict(True, trace.keep_reason, True)
        if trace.error:
            return _ERROR
        if self.watches_slow and self.is_slow(root.attributes, root.end_ns - root.start_ns):
            return _SLOW
        return None

    def _judge_among_others(self, trace: LocalTrace) -> Verdict:
        if self._threshold == ALWAYS:
            return _SHARE
        if trace.caller_sampled and self._policy.honour_caller:
            return _CALLER
        kept = randomness_of(trace.trace_id, trace.trace_state) >= self._threshold
        return _SHARE if kept else _SAMPLED_OUT

    def _record(self, trace: LocalTrace, root: SpanRecord, verdict: Verdict) -> None:
        root.attributes[SAMPLING_REASON] = verdict.reason
        threshold = trace.threshold
        if verdict is _SHARE and threshold is not None:
            threshold = max(threshold, self._threshold)
        if threshold is not None and not trace.watched:
            trace.trace_state = with_threshold(trace.trace_state, threshold)
            for span in trace.spans:
                span.trace_state = trace.trace_state
        if verdict.important and self.watches_unsampled:
            # sampled or not, its root is kept; the spans below it, only if it was sampled
            threshold = ALWAYS
            root.trace_state = with_threshold(trace.trace_state, ALWAYS)
        if threshold is not None:
            root.attributes[SAMPLING_PROBABILITY] = probability_of(threshold)
