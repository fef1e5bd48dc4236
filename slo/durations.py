"""Durations: OpenSLO's shorthand, PromQL's literals, and the exact number of steps a range holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0

_SHORTHAND: Final[Mapping[str, float]] = {"m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
"""OpenSLO's units that are of one length; `M`, `Q` and `Y` (months, quarters, years) are not."""
_UNITS_MS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


def shorthand_seconds(text: str) -> float:
    """Seconds of OpenSLO's duration-shorthand. Raises ValueError that says what it may be."""
    found = re.fullmatch(r"([1-9][0-9]*)([mhdw])", text)
    if not found:
        raise ValueError(f"{text!r} is not a duration such as 30d, 4w or 48h")
    return int(found[1]) * _SHORTHAND[found[2]]


def promql(seconds: float) -> str:
    """A PromQL duration, exact to the millisecond: `1h`, `59m59s999ms`."""
    rest = round(seconds * 1000)
    if rest <= 0:
        raise ValueError(f"PromQL knows no duration of {seconds} s")
    parts = []
    for unit, size in _UNITS_MS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def held(seconds: float) -> str:
    """The range that holds exactly window/step samples of a series recorded every step.

    Prometheus 2 takes both ends of a range, Prometheus 3 leaves the first out. A millisecond short of the window, both
    give the same samples, so a minute is never counted twice.
    """
    return promql(seconds - 0.001)
