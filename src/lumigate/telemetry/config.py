"""The engine's settings: OpenTelemetry's standard variables first, `LUMIGATE_*` for what the standard does not name.

Read once, at start. A malformed value stops the start with one line that names its variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from lumigate.telemetry.destinations import Destination, destinations_from
from lumigate.telemetry.environment import Environment
from lumigate.telemetry.errors import ConfigurationError
from lumigate.telemetry.limits import DEFAULT_VALUE_LENGTH, Limits
from lumigate.telemetry.propagation import PROPAGATORS
from lumigate.telemetry.records import CUMULATIVE, DELTA, AttributeValue
from lumigate.telemetry.sampling import SAMPLERS
from lumigate.telemetry.tail import TailPolicy

TEMPORALITIES: Final = ("cumulative", "delta", "lowmemory")
EXEMPLAR_FILTERS: Final = ("trace_based", "always_off", "always_on")
HISTOGRAMS: Final = ("explicit_bucket_histogram", "base2_exponential_bucket_histogram")


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferConfig:
    """Bounds of one signal's queue; every destination has its own queue."""

    max_items: int = 2048
    max_bytes: int = 4 << 20
    batch_items: int = 512
    export_timeout_ms: float = 30_000.0
    """The longest that one export may take, where the destination's own timeout is not shorter."""


METRIC_BUFFER: Final = BufferConfig(max_items=8192, batch_items=8192)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushConfig:
    """`window`: one export for all requests of a linger time. `request`: each request exports its own at once.

    `budget_ms` ends an export before the platform ends the request that carries it: on Workers, work after the
    response is cut at 30 s.
    """

    mode: str = "window"
    linger_ms: float = 1000.0
    budget_ms: float = 25_000.0
    metric_interval_ms: float = 0.0
    max_request_bytes: int = 4 << 20
    """Exports that encode to more are split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """Everything the engine can be told."""

    disabled: bool = False
    service_name: str = ""
    resource_attributes: Mapping[str, AttributeValue] = field(default_factory=dict[str, AttributeValue])
    propagators: tuple[str, ...] = ("tracecontext", "baggage")
    sampler: str = "parentbased_always_on"
    sampler_ratio: float = 1.0
    tail: TailPolicy = field(default_factory=TailPolicy)
    limits: Limits = field(default_factory=Limits)
    destinations: tuple[Destination, ...] = ()
    temporality: int = DELTA
    """DELTA or CUMULATIVE of what is exported from here; up-down counters are always cumulative."""
    exports_own_metrics: bool = True
    """False where the counter shard takes them (`collect_deltas`): then only `export_metrics` feeds the exporters."""
    exemplar_filter: str = "trace_based"
    histogram: str = "explicit_bucket_histogram"
    """For histograms without boundaries of their own."""
    spans: BufferConfig = field(default_factory=BufferConfig)
    logs: BufferConfig = field(default_factory=BufferConfig)
    metrics: BufferConfig = field(default_factory=lambda: METRIC_BUFFER)
    """Its items are data points. A collection is one request, unless it is over the size limit."""
    flush: FlushConfig = field(default_factory=FlushConfig)

    @classmethod
    def from_environ(cls, values: Mapping[str, object]) -> Self:
        """Read the settings. Raises `ConfigurationError` naming the first variable that is malformed."""
        environment = Environment(values)
        if environment.boolean("OTEL_SDK_DISABLED"):
            return cls(disabled=True, propagators=_propagators(environment))
        attributes = environment.pairs("OTEL_RESOURCE_ATTRIBUTES")
        temporality = environment.choice(
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", allowed=TEMPORALITIES, default="delta"
        )
        return cls(
            service_name=environment.string("OTEL_SERVICE_NAME", default=attributes.get("service.name", "")),
            resource_attributes=attributes,
            propagators=_propagators(environment),
            sampler=environment.choice(
                "OTEL_TRACES_SAMPLER", allowed=SAMPLERS, default="parentbased_always_on"
            ),
            sampler_ratio=environment.number("OTEL_TRACES_SAMPLER_ARG", default=1.0, maximum=1.0),
            tail=_tail(environment),
            limits=_limits(environment),
            destinations=destinations_from(environment),
            temporality=CUMULATIVE if temporality == "cumulative" else DELTA,
            exemplar_filter=environment.choice(
                "OTEL_METRICS_EXEMPLAR_FILTER", allowed=EXEMPLAR_FILTERS, default="trace_based"
            ),
            histogram=environment.choice(
                "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
                allowed=HISTOGRAMS,
                default="explicit_bucket_histogram",
            ),
            spans=_buffer(environment, "OTEL_BSP", BufferConfig()),
            logs=_buffer(environment, "OTEL_BLRP", BufferConfig()),
            metrics=_buffer(environment, "LUMIGATE_TELEMETRY_METRICS", METRIC_BUFFER),
            flush=_flush(environment, cumulative=temporality == "cumulative"),
        )


def _propagators(environment: Environment) -> tuple[str, ...]:
    return environment.names(
        "OTEL_PROPAGATORS", allowed=tuple(PROPAGATORS), default=("tracecontext", "baggage")
    )


def _tail(environment: Environment) -> TailPolicy:
    variable = "LUMIGATE_TRACES_SLOW_MS"
    slow_ms: float | None = None
    by_route: dict[str, float] = {}
    for part in filter(None, map(str.strip, environment.string(variable).split(","))):
        route, equals, text = part.rpartition("=")
        try:
            limit = float(text)
        except ValueError:
            limit = -1.0
        if not 0 <= limit < float("inf"):
            raise ConfigurationError(variable, f"{part!r} is neither milliseconds nor route=milliseconds")
        if equals:
            by_route[route.strip()] = limit
        else:
            slow_ms = limit
    return TailPolicy(
        share=environment.number("LUMIGATE_TRACES_SHARE", default=1.0, maximum=1.0),
        slow_ms=slow_ms,
        slow_ms_by_route=by_route,
        honour_caller=environment.boolean("LUMIGATE_TRACES_HONOUR_CALLER", default=True),
        keep_unsampled=environment.boolean("LUMIGATE_TRACES_KEEP_ERRORS", default=True),
    )


def _limits(environment: Environment) -> Limits:
    count = environment.integer("OTEL_ATTRIBUTE_COUNT_LIMIT", default=128)
    length = environment.integer("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", default=DEFAULT_VALUE_LENGTH)
    return Limits(
        span_attributes=environment.integer("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", default=count),
        event_attributes=environment.integer("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", default=count),
        link_attributes=environment.integer("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", default=count),
        log_attributes=environment.integer("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", default=count),
        events=environment.integer("OTEL_SPAN_EVENT_COUNT_LIMIT", default=128),
        links=environment.integer("OTEL_SPAN_LINK_COUNT_LIMIT", default=128),
        span_value_length=environment.integer("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", default=length),
        value_length=length,
        log_value_length=environment.integer("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", default=length),
    )


def _buffer(environment: Environment, prefix: str, default: BufferConfig) -> BufferConfig:
    max_items = environment.integer(f"{prefix}_MAX_QUEUE_SIZE", default=default.max_items, minimum=1)
    variable = f"{prefix}_MAX_EXPORT_BATCH_SIZE"
    batch = environment.integer(variable, default=min(default.batch_items, max_items), minimum=1)
    if batch > max_items:
        raise ConfigurationError(variable, f"{batch} is more than {prefix}_MAX_QUEUE_SIZE, {max_items}")
    max_bytes = environment.integer(
        "LUMIGATE_TELEMETRY_QUEUE_BYTES", default=default.max_bytes, minimum=16_384
    )
    timeout_ms = environment.number(
        f"{prefix}_EXPORT_TIMEOUT", default=default.export_timeout_ms, minimum=1.0, maximum=600_000.0
    )
    return BufferConfig(
        max_items=max_items, max_bytes=max_bytes, batch_items=batch, export_timeout_ms=timeout_ms
    )


def _flush(environment: Environment, *, cumulative: bool) -> FlushConfig:
    return FlushConfig(
        mode=environment.choice("LUMIGATE_TELEMETRY_FLUSH", allowed=("window", "request"), default="window"),
        linger_ms=environment.number(
            "LUMIGATE_TELEMETRY_LINGER_MS", "OTEL_BSP_SCHEDULE_DELAY", default=1000.0, maximum=20_000.0
        ),
        budget_ms=environment.number(
            "LUMIGATE_TELEMETRY_BUDGET_MS", default=25_000.0, minimum=100.0, maximum=600_000.0
        ),
        metric_interval_ms=environment.number(
            "OTEL_METRIC_EXPORT_INTERVAL", default=10_000.0 if cumulative else 0.0
        ),
        max_request_bytes=environment.integer(
            "LUMIGATE_TELEMETRY_MAX_REQUEST_BYTES", default=4 << 20, minimum=1024
        ),
    )
