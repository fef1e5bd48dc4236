"""Consistent probability sampling: thresholds, randomness and the `ot` member of tracestate.

A trace is kept when its 56 bits of randomness R (the trace id's low bits, or `rv`) are at least the rejection
threshold T; the probability is (2^56 - T) / 2^56, and `th` tells every later reader how to restore counts.
https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
"""

from __future__ import annotations

from typing import Final

_SCALE: Final = 1 << 56
NEVER: Final = _SCALE
"""The threshold that keeps nothing. It cannot be written as `th`."""
ALWAYS: Final = 0
_MASK: Final = _SCALE - 1
_MAX_MEMBERS: Final = 32
_HEX: Final = frozenset("0123456789abcdef")


def threshold_of(probability: float) -> int:
    """The rejection threshold for a probability in [0, 1]."""
    return _SCALE - round(probability * _SCALE)


def probability_of(threshold: int) -> float:
    return (_SCALE - threshold) / _SCALE


def randomness_of(trace_id: int, trace_state: str) -> int:
    """The trace's 56 random bits: `ot=rv:` if the caller gave them explicitly, else from the trace id."""
    if "rv:" in trace_state:
        for part in _ot_parts(trace_state):
            if part.startswith("rv:") and len(part) == 17 and _HEX.issuperset(part[3:]):
                return int(part[3:], 16)
    return trace_id & _MASK


def threshold_in(trace_state: str) -> int | None:
    """The threshold an earlier sampler wrote, or None if it wrote none that can be read."""
    if "th:" in trace_state:
        for part in _ot_parts(trace_state):
            if part.startswith("th:") and 0 < len(part) - 3 <= 14 and _HEX.issuperset(part[3:]):
                return int(part[3:].ljust(14, "0"), 16)
    return None


def with_threshold(trace_state: str, threshold: int) -> str:
    """The tracestate with `ot=th:` set, moved to the front as a changed member must be; others keep their order."""
    digits = f"{threshold:014x}".rstrip("0") or "0"
    parts = [f"th:{digits}"]
    parts += [part for part in _ot_parts(trace_state) if part and not part.startswith("th:")]
    others = [
        member for member in map(str.strip, trace_state.split(",")) if member and not member.startswith("ot=")
    ]
    return ",".join(["ot=" + ";".join(parts), *others[: _MAX_MEMBERS - 1]])


def _ot_parts(trace_state: str) -> list[str]:
    for member in trace_state.split(","):
        if member.strip().startswith("ot="):
            return member.strip()[3:].split(";")
    return []
