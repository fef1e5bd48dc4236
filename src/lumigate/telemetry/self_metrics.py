"""Telemetry about telemetry: the engine's own metrics, declared like any other so that a catalog can include them."""

from __future__ import annotations

from typing import Final

from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric

SAMPLING_REASON: Final = "lumigate.sampling.reason"
SAMPLING_PROBABILITY: Final = "lumigate.sampling.probability"
LATE_NS: Final = "lumigate.span.late_ns"
UNFINISHED: Final = "lumigate.span.unfinished"

_DESTINATION: Final = Attribute(
    key="destination", description="The export destination's configured name. Bounded by configuration."
)
_SIGNAL: Final = Attribute(
    key="signal",
    description="Which of the three signals.",
    values=frozenset({"traces", "metrics", "logs"}),
)
_RESULT: Final = Attribute(
    key="result",
    description="How an export request ended.",
    values=frozenset(
        {"ok", "partial", "throttled", "unavailable", "rejected", "too_large", "timeout", "connection"}
    ),
)
_BY_QUEUE: Final = (_DESTINATION, _SIGNAL)
_DURATION_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

DROP_REASONS: Final = frozenset(
    {
        "queue_full",
        "rejected",
        "too_large",
        "partial_success",
        "encode_failed",
        "span_limit",
        "cardinality",
    }
)

QUEUE_ITEMS: Final = Metric(
    name="lumigate.telemetry.queue.items",
    unit="{item}",
    kind=InstrumentKind.GAUGE,
    description="Spans, data points or log records waiting or in flight.",
    attributes=_BY_QUEUE,
)
QUEUE_BYTES: Final = Metric(
    name="lumigate.telemetry.queue.size",
    unit="By",
    kind=InstrumentKind.GAUGE,
    description="Estimated memory of what is waiting or in flight.",
    attributes=_BY_QUEUE,
)
DROPPED: Final = Metric(
    name="lumigate.telemetry.dropped",
    unit="{item}",
    kind=InstrumentKind.COUNTER,
    description="Items lost against intention, by reason. Traces sampled out are not among them.",
    attributes=(
        _SIGNAL,
        Attribute(key="reason", description="Why an item was lost.", values=DROP_REASONS),
    ),
)
EXPORTED: Final = Metric(
    name="lumigate.telemetry.exported",
    unit="{item}",
    kind=InstrumentKind.COUNTER,
    description="Items that a destination accepted.",
    attributes=_BY_QUEUE,
)
EXPORT_REQUESTS: Final = Metric(
    name="lumigate.telemetry.export.requests",
    unit="{request}",
    kind=InstrumentKind.COUNTER,
    description="Export requests by how they ended.",
    attributes=(*_BY_QUEUE, _RESULT),
)
EXPORT_RETRIES: Final = Metric(
    name="lumigate.telemetry.export.retries",
    unit="{request}",
    kind=InstrumentKind.COUNTER,
    description="Export requests whose items will be sent again.",
    attributes=_BY_QUEUE,
)
EXPORT_DURATION: Final = Metric(
    name="lumigate.telemetry.export.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Time from sending an export to its answer.",
    attributes=(*_BY_QUEUE, _RESULT),
    buckets=_DURATION_BUCKETS,
)
EXPORT_BYTES: Final = Metric(
    name="lumigate.telemetry.export.size",
    unit="By",
    kind=InstrumentKind.COUNTER,
    description="Bytes sent, after compression.",
    attributes=_BY_QUEUE,
)
BREAKER_STATE: Final = Metric(
    name="lumigate.telemetry.breaker.state",
    unit="1",
    kind=InstrumentKind.GAUGE,
    description="0 closed (exporting), 1 half open (one attempt decides), 2 open (waiting).",
    attributes=_BY_QUEUE,
)
FLUSH_DURATION: Final = Metric(
    name="lumigate.telemetry.flush.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Time a flush took over all destinations, linger not counted.",
    buckets=_DURATION_BUCKETS,
)
FLUSH_RECOVERIES: Final = Metric(
    name="lumigate.telemetry.flush.recoveries",
    unit="{recovery}",
    kind=InstrumentKind.COUNTER,
    description="Leases and batches taken over from a request that died.",
    attributes=(
        Attribute(key="what", description="What was recovered.", values=frozenset({"lease", "batch"})),
    ),
)
SPANS: Final = Metric(
    name="lumigate.telemetry.spans",
    unit="{span}",
    kind=InstrumentKind.COUNTER,
    description="Ended spans by the decision on their trace; `unsampled` counts local roots the head sampler declined.",
    attributes=(
        Attribute(
            key="decision",
            description="What became of the span.",
            values=frozenset({"kept", "sampled_out", "unsampled"}),
        ),
    ),
)
TRACES_KEPT: Final = Metric(
    name="lumigate.telemetry.traces.kept",
    unit="{trace}",
    kind=InstrumentKind.COUNTER,
    description="Traces exported, by the reason they were kept for.",
    attributes=(
        Attribute(
            key="reason",
            description="Why a trace was kept; `other` is a reason the application gave.",
            values=frozenset({"error", "slow", "fallback", "caller", "share"}),
        ),
    ),
)
TRACES_UNFINISHED: Final = Metric(
    name="lumigate.telemetry.traces.unfinished",
    unit="{trace}",
    kind=InstrumentKind.COUNTER,
    description="Traces closed by the engine because their root was never ended.",
)
PARTS_DROPPED: Final = Metric(
    name="lumigate.telemetry.parts.dropped",
    unit="{part}",
    kind=InstrumentKind.COUNTER,
    description="Attributes, events and links left out of what was kept: wrong type, too many, not declared.",
    attributes=(
        Attribute(
            key="part",
            description="What was left out.",
            values=frozenset({"attribute", "event", "link"}),
        ),
    ),
)
MISUSE: Final = Metric(
    name="lumigate.telemetry.misuse",
    unit="{call}",
    kind=InstrumentKind.COUNTER,
    description="Calls the engine could not honour, by kind: a defect of the application.",
    attributes=(Attribute(key="kind", description="What was wrong. Bounded: the engine's own words."),),
    cardinality_limit=64,
)
ENGINE_ERRORS: Final = Metric(
    name="lumigate.telemetry.errors",
    unit="{error}",
    kind=InstrumentKind.COUNTER,
    description="Exceptions the engine swallowed: a defect of the engine or of a plug-in.",
    attributes=(Attribute(key="where", description="The engine's part. Bounded: the engine's own words."),),
    cardinality_limit=64,
)

SELF_ATTRIBUTES: Final[tuple[Attribute, ...]] = (
    Attribute(
        key=SAMPLING_REASON,
        description="On a local root: why its trace was kept: `error`, `slow`, `caller`, `share` or what `keep` said.",
    ),
    Attribute(
        key=SAMPLING_PROBABILITY,
        description="On a local root: the share of its like that is kept; it stands for one divided by this.",
        type=float,
    ),
    Attribute(
        key=LATE_NS,
        description="By how many nanoseconds a span outlived one above it, at whose end it is cut.",
        type=int,
    ),
    Attribute(
        key=UNFINISHED,
        description="The span was never ended; it is cut at the last moment its trace was seen alive.",
        type=bool,
    ),
)
"""What the engine itself may write on a span, beside what the application does."""

SELF_METRICS: Final[tuple[Metric, ...]] = (
    QUEUE_ITEMS,
    QUEUE_BYTES,
    DROPPED,
    EXPORTED,
    EXPORT_REQUESTS,
    EXPORT_RETRIES,
    EXPORT_DURATION,
    EXPORT_BYTES,
    BREAKER_STATE,
    FLUSH_DURATION,
    FLUSH_RECOVERIES,
    SPANS,
    TRACES_KEPT,
    TRACES_UNFINISHED,
    PARTS_DROPPED,
    MISUSE,
    ENGINE_ERRORS,
)
