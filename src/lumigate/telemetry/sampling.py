"""The decision at the head of a trace: record it or not. Names are those of OTEL_TRACES_SAMPLER.

The built-in samplers decide once, at the local root; every span below follows, so an unsampled trace costs one
object. A sampler object of the SDK's kind is asked for every span, as its contract says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import SpanContext

from lumigate.telemetry.consistent import ALWAYS, NEVER, randomness_of, threshold_in, threshold_of

SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)


@dataclass(frozen=True, slots=True)
class HeadSampler:
    """A built-in sampler: a threshold for new traces, and whether a caller's flag is followed instead."""

    threshold: int = ALWAYS
    parent_based: bool = True

    def decide(self, trace_id: int, parent: SpanContext | None, trace_state: str) -> tuple[bool, int | None]:
        """Whether to sample, and the threshold this trace was sampled at (None: only the caller could know)."""
        if self.parent_based and parent is not None:
            return bool(parent.trace_flags & 1), threshold_in(trace_state)
        if self.threshold == ALWAYS:
            return True, ALWAYS
        if self.threshold == NEVER:
            return False, NEVER
        return randomness_of(trace_id, trace_state) >= self.threshold, self.threshold


def head_sampler(name: str, ratio: float) -> HeadSampler:
    """The sampler that OTEL_TRACES_SAMPLER names; `ratio` is OTEL_TRACES_SAMPLER_ARG."""
    kind = name.removeprefix("parentbased_")
    threshold = {"always_on": ALWAYS, "always_off": NEVER}.get(kind, threshold_of(ratio))
    return HeadSampler(threshold, name.startswith("parentbased_"))


class ForeignSampler(Protocol):
    """An OpenTelemetry SDK sampler. Its result has `decision`, `attributes` and `trace_state`."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Mapping[str, Any] | None = None,
        links: Any = None,
    ) -> Any: ...
