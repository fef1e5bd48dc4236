"""The data that leaves the engine, as plain slotted objects. Encoders read these and nothing else.

Times are Unix nanoseconds. Ids are integers, as in the OpenTelemetry API; 0 means «none». Field meanings follow
opentelemetry-proto 1.x (trace.proto, metrics.proto, logs.proto); enums carry the wire's numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

type Scalar = str | bool | int | float
type AttributeValue = Scalar | Sequence[Scalar]
type Attributes = Mapping[str, AttributeValue]

DELTA = 1
"""AGGREGATION_TEMPORALITY_DELTA"""
CUMULATIVE = 2
"""AGGREGATION_TEMPORALITY_CUMULATIVE"""
END_OF_TIME_NS = 1 << 63
"""A time from here on, or a negative one, is none: one such number makes a collector refuse the whole export."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Who is speaking: `service.name` and its kin. Attribute values are already clean."""

    attributes: Attributes
    schema_url: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """The instrumentation scope (library) that made a record."""

    name: str
    version: str = ""
    schema_url: str = ""
    attributes: Attributes = field(default_factory=dict[str, AttributeValue])

    def __hash__(self) -> int:
        return hash((self.name, self.version, self.schema_url))


class EventRecord:
    """Something that happened at a moment of a span."""

    __slots__ = ("attributes", "dropped_attributes", "name", "time_ns")

    def __init__(self, name: str, time_ns: int, attributes: Attributes, dropped_attributes: int = 0) -> None:
        self.name = name
        self.time_ns = time_ns
        self.attributes = attributes
        self.dropped_attributes = dropped_attributes


class LinkRecord:
    """A pointer to another span. `flags` is the wire's: W3C flags in bits 0-7, remoteness in bits 8-9."""

    __slots__ = ("attributes", "dropped_attributes", "flags", "span_id", "trace_id", "trace_state")

    def __init__(
        self,
        trace_id: int,
        span_id: int,
        trace_state: str,
        flags: int,
        attributes: Attributes,
        dropped_attributes: int = 0,
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.trace_state = trace_state
        self.flags = flags
        self.attributes = attributes
        self.dropped_attributes = dropped_attributes


class SpanRecord:
    """A finished span. The engine's live `Span` derives from it, so that ending a span copies nothing.

    `kind` is the wire's (1 internal, 2 server, 3 client, 4 producer, 5 consumer); `status_code` too (0 unset, 1 ok,
    2 error); `flags` holds the W3C flags in bits 0-7 and, in bits 8-9, whether the parent is known to be remote.
    """

    __slots__ = (
        "attributes",
        "dropped_attributes",
        "dropped_events",
        "dropped_links",
        "end_ns",
        "events",
        "flags",
        "kind",
        "links",
        "name",
        "parent_id",
        "scope",
        "span_id",
        "start_ns",
        "status_code",
        "status_message",
        "trace_id",
        "trace_state",
    )

    name: str
    trace_id: int
    span_id: int
    parent_id: int
    trace_state: str
    flags: int
    kind: int
    start_ns: int
    end_ns: int
    attributes: dict[str, AttributeValue]
    dropped_attributes: int
    events: Sequence[EventRecord]
    dropped_events: int
    links: Sequence[LinkRecord]
    dropped_links: int
    status_code: int
    status_message: str
    scope: Scope


class LogRecord:
    """One log record. `body` is any JSON-like value (str, bool, int, float, bytes, None, list, dict)."""

    __slots__ = (
        "attributes",
        "body",
        "dropped_attributes",
        "event_name",
        "flags",
        "observed_ns",
        "scope",
        "severity_number",
        "severity_text",
        "span_id",
        "time_ns",
        "trace_id",
    )

    def __init__(
        self,
        *,
        scope: Scope,
        time_ns: int,
        observed_ns: int,
        body: Any = None,
        severity_number: int = 0,
        severity_text: str = "",
        attributes: Mapping[str, Any] | None = None,
        dropped_attributes: int = 0,
        trace_id: int = 0,
        span_id: int = 0,
        flags: int = 0,
        event_name: str = "",
    ) -> None:
        self.scope = scope
        self.time_ns = time_ns
        self.observed_ns = observed_ns
        self.body = body
        self.severity_number = severity_number
        self.severity_text = severity_text
        self.attributes = {} if attributes is None else attributes
        self.dropped_attributes = dropped_attributes
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.event_name = event_name


class PointAttributes(dict[str, AttributeValue]):
    """Attributes of a metric's points: made once, never changed, sent at every collection.

    So the JSON writer keeps its form of them here: that costs more than all else of a counter's point (2 of 3 us).
    """

    __slots__ = ("as_json",)

    def __init__(self, attributes: Attributes) -> None:
        super().__init__(attributes)
        self.as_json: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemplar:
    """One measurement that stands for its bucket, with the trace it came from."""

    value: int | float
    time_ns: int
    trace_id: int = 0
    span_id: int = 0
    attributes: Attributes = field(default_factory=dict[str, AttributeValue])


# A collection makes hundreds of points. In wasm a frozen dataclass costs three times as much to make, and one whose
# fields are given by keyword four times; so points are neither frozen nor `kw_only`.


@dataclass(slots=True)
class NumberPoint:
    """A point of a sum or a gauge."""

    attributes: Attributes
    start_ns: int
    time_ns: int
    value: int | float
    exemplars: Sequence[Exemplar] = ()


@dataclass(slots=True)
class HistogramPoint:
    """A point of an explicit-bucket histogram: `len(bucket_counts) == len(bounds) + 1`."""

    attributes: Attributes
    start_ns: int
    time_ns: int
    count: int
    sum: float
    bounds: Sequence[float]
    bucket_counts: Sequence[int]
    min: float | None = None
    max: float | None = None
    exemplars: Sequence[Exemplar] = ()


@dataclass(slots=True)
class ExponentialHistogramPoint:
    """A point of a base-2 exponential histogram."""

    attributes: Attributes
    start_ns: int
    time_ns: int
    count: int
    sum: float
    scale: int
    zero_count: int
    positive_offset: int
    positive_counts: Sequence[int]
    negative_offset: int = 0
    negative_counts: Sequence[int] = ()
    zero_threshold: float = 0.0
    min: float | None = None
    max: float | None = None
    exemplars: Sequence[Exemplar] = ()


type MetricKind = Literal["sum", "gauge", "histogram", "exponential_histogram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricData:
    """One metric's points at one collection. `points` are of the type that `kind` names."""

    scope: Scope
    name: str
    unit: str
    description: str
    kind: MetricKind
    points: Sequence[NumberPoint | HistogramPoint | ExponentialHistogramPoint]
    temporality: int = DELTA
    monotonic: bool = False
