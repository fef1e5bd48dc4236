"""One batch of deltas as one JSON text: the form it crosses RPC in, and the form its row is stored in.

One text, because a text costs RPC 7 us a kilobyte where converting nested dicts costs twice that on each side, and
because the shard stores it as it came: encoded once, decoded once, at the speed of C.

    {"v": 1, "isolate": "…", "seq": 7, "sealed": <ns>, "metrics": [[schema, description, version, [point, …]], …]}

`schema` is itself a JSON text, `[name, unit, kind, monotonic, bounds, scope name]`: all that must agree for two points
to be added. So is a point's first field, its attributes with sorted keys. Both are looked up as they are; what is
inside is examined only when a text is seen for the first time.

    sum: [attributes, delta, exemplars?]   gauge: [attributes, value, time_ns]
    histogram: [attributes, sum, [count per bucket], exemplars?]   exemplar: [value, time_ns, trace id, span id] in hex
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, Literal

VERSION: Final = 1
MAX_CHARS: Final = 1_000_000
"""A row of a Durable Object's SQLite holds 2 MB; the texts are ASCII."""
MAX_NAME: Final = 255
MAX_ATTRIBUTES: Final = 64
MAX_ATTRIBUTES_CHARS: Final = 8_192
MAX_INTEGER: Final = 1 << 62

type Kind = Literal["sum", "gauge", "histogram"]
type Point = list[Any]
"""As above; checked by `lumigate.shard.decoding` before anything else sees it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What must agree for points to be added up. Another deploy's buckets are another schema."""

    text: str
    name: str
    unit: str
    kind: Kind
    monotonic: bool
    bounds: tuple[float, ...]
    scope_name: str

    @property
    def starts_at_zero(self) -> bool:
        """Whether a new series must be shown at zero first: whatever `increase()` is asked about."""
        return self.kind == "histogram" or self.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDelta:
    """One metric's points in a batch."""

    schema: Schema
    description: str
    scope_version: str
    points: list[Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A decoded batch, valid as a whole."""

    isolate: str
    sequence: int
    sealed_ns: int
    metrics: list[MetricDelta]


type RefusalReason = Literal[
    "text",
    "too_large",
    "json",
    "version",
    "header",
    "metric",
    "attributes",
    "point",
    "clock_ahead",
    "too_late",
]


class BatchRefused(ValueError):
    """A batch that cannot be taken. `reason` is low in cardinality; `retry` says whether it may be taken later."""

    def __init__(self, reason: RefusalReason, detail: str, *, retry: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: RefusalReason = reason
        self.retry = retry


def is_number(found: object) -> bool:
    """Whether it can be the value of a point."""
    if type(found) is int:
        return -MAX_INTEGER <= found <= MAX_INTEGER
    return type(found) is float and isfinite(found)


def canonical(value: object) -> str:
    """Compact ASCII JSON with sorted keys. Raises ValueError for NaN and infinities."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False)
