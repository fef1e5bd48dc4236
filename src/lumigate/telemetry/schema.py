"""How telemetry is declared: the types that a catalog is written in.

A declaration is a contract: the engine records only what it names, and dashboards, SLOs, alerts and documents are
generated from it. Nothing here does anything; see `lumigate.catalog` for the declarations themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

OTHER = "other"
"""What a value outside a closed set is recorded as."""


class InstrumentKind(StrEnum):
    """The kinds of instruments a metric may be declared as."""

    COUNTER = "counter"
    UP_DOWN_COUNTER = "up_down_counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute key. `values` closes its set (anything else is recorded as `other`); None leaves it open.

    An open attribute on a metric must be bounded by configuration (models, routes), never by the caller's input.
    """

    key: str
    description: str
    values: frozenset[str] | None = None
    type: type[str] | type[int] | type[float] | type[bool] = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric stream: OpenTelemetry's name, UCUM unit, kind, attributes in the order they are recorded."""

    name: str
    unit: str
    kind: InstrumentKind
    description: str
    attributes: tuple[Attribute, ...] = ()
    buckets: tuple[float, ...] = ()
    cardinality_limit: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanType:
    """A span: `name` is a template whose `{…}` parts are attribute keys; `kind` is server, client or internal."""

    name: str
    kind: str
    description: str
    attributes: tuple[Attribute, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """An event: a log record with a name (OpenTelemetry logs data model, `EventName`)."""

    name: str
    description: str
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventField:
    """A field of the wide event: of one JSON line a request on the console, and of its log record."""

    name: str
    description: str
    type: type[str] | type[int] | type[float] | type[bool] = str
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointColumn:
    """An Analytics Engine column: `column` is `index1`, `blob1`…`blob20` or `double1`…`double20`."""

    column: str
    name: str
    description: str
    unit: str = ""
