"""The decision at the end of a trace: keep errors, the slow, what the application marked, what the caller asked for,
and a fixed share of the rest by trace id.

Those of the first four kinds are kept with certainty, so each stands for as many traces as the head sampler says; one
kept by share stands for 1/share. The tracestate (`ot=th:`) and two attributes of the local root record it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lumigate.telemetry.consistent import ALWAYS, probability_of, randomness_of, threshold_of, with_threshold

if TYPE_CHECKING:
    from lumigate.telemetry.local_trace import LocalTrace
    from lumigate.telemetry.records import SpanRecord

SAMPLING_REASON: Final = "lumigate.sampling.reason"
SAMPLING_PROBABILITY: Final = "lumigate.sampling.probability"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a trace is exported and why. `important` ones are the last to be dropped from a full buffer."""

    keep: bool
    reason: str
    important: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TailPolicy:
    """What is kept. `slow_ms` None: no trace is slow; `slow_ms_by_route` is looked up by the root's `http.route`."""

    share: float = 1.0
    slow_ms: float | None = None
    slow_ms_by_route: dict[str, float] = field(default_factory=dict[str, float])
    honour_caller: bool = True


_SHARE: Final = Verdict(True, "share")
_SAMPLED_OUT: Final = Verdict(False, "share")
_NOT_SAMPLED: Final = Verdict(False, "record_only")
_ERROR: Final = Verdict(True, "error", True)
_SLOW: Final = Verdict(True, "slow", True)
_CALLER: Final = Verdict(True, "caller")


class Tail:
    """Decides on finished traces, and writes the probability where readers look for it."""

    __slots__ = ("_marks", "_policy", "_threshold")

    def __init__(self, policy: TailPolicy, *, head_samples_a_part: bool) -> None:
        self._policy = policy
        self._threshold = threshold_of(policy.share)
        # where everything is kept, there is no probability to record
        self._marks = self._threshold != ALWAYS or head_samples_a_part

    def decide(self, trace: LocalTrace, root: SpanRecord) -> Verdict:
        if not trace.flags & 1:
            return _NOT_SAMPLED
        verdict = self._judge(trace, root)
        if self._marks and verdict.keep:
            self._record(trace, root, verdict)
        return verdict

    def _judge(self, trace: LocalTrace, root: SpanRecord) -> Verdict:
        if trace.keep_reason:
            return Verdict(True, trace.keep_reason, True)
        if trace.error:
            return _ERROR
        policy = self._policy
        limit = policy.slow_ms
        if policy.slow_ms_by_route:
            route = root.attributes.get("http.route")
            limit = policy.slow_ms_by_route.get(route, limit) if isinstance(route, str) else limit
        if limit is not None and root.end_ns - root.start_ns >= limit * 1e6:
            return _SLOW
        if self._threshold == ALWAYS:
            return _SHARE
        if trace.caller_sampled and policy.honour_caller:
            return _CALLER
        kept = randomness_of(trace.trace_id, trace.trace_state) >= self._threshold
        return _SHARE if kept else _SAMPLED_OUT

    def _record(self, trace: LocalTrace, root: SpanRecord, verdict: Verdict) -> None:
        threshold = trace.threshold
        if verdict is _SHARE and threshold is not None:
            threshold = max(threshold, self._threshold)
        root.attributes[SAMPLING_REASON] = verdict.reason
        if threshold is not None:
            root.attributes[SAMPLING_PROBABILITY] = probability_of(threshold)
            trace.trace_state = with_threshold(trace.trace_state, threshold)
            for span in trace.spans:
                span.trace_state = trace.trace_state
