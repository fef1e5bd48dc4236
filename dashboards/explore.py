"""LogQL over the wide event and TraceQL over the spans, with fields and attributes that the catalog declares."""

from __future__ import annotations

from typing import Final

from dashboards.promql import NotInCatalog
from lumigate.catalog import SPANS, WIDE_EVENT
from lumigate.telemetry.schema import Attribute, SpanType

FIELDS: Final = frozenset(field.name for field in WIDE_EVENT)
SERVICE: Final = '{service_name=~"$service"}'
"""Where the wide events are: in Loki's stream of the service."""
_FIELDS_OF_BOTH: Final = "| json | drop __error__, __error_details__"
"""What Logpush brings is a line of JSON; what comes over OTLP has its fields beside it (structured metadata, by the
same names), and a line that is no JSON, which is no error here."""


def field(name: str) -> str:
    """A field of the wide event. Raises `NotInCatalog`."""
    if name not in FIELDS:
        raise NotInCatalog(f"the wide event has no field {name!r}")
    return name


def events(*conditions: str) -> str:
    """Wide events as log lines. Conditions come from `field_is` and `field_matches`."""
    wanted = "".join(f" | {condition}" for condition in (field_is("event", "request"), *conditions))
    return f"{SERVICE} {_FIELDS_OF_BOTH}{wanted}"


def shown(log_query: str, *names: str) -> str:
    """As lines for people, alike for both; all fields are in the details of each."""
    return f"{log_query} | line_format `{' '.join(f'{{{{.{field(name)}}}}}' for name in names)}`"


def field_is(name: str, value: str) -> str:
    return f"{field(name)}=`{value}`"


def field_matches(name: str, variable: str) -> str:
    """Narrowed by a text variable: empty matches everything."""
    return f"{field(name)}=~`.*${{{variable}:raw}}.*`"


def counted(log_query: str, *by: str) -> str:
    """Events by field, for each step of the graph."""
    names = ", ".join(field(name) for name in by)
    return f"sum by ({names}) (count_over_time({log_query} [$__auto]))"


def quantile(q: float, log_query: str, name: str) -> str:
    return f"quantile_over_time({q:g}, {log_query} | unwrap {field(name)} [$__auto]) by ()"


def attribute(span: SpanType, declared: Attribute) -> str:
    """`span.http.route` of a span type that has it. Raises `NotInCatalog`."""
    if declared.key not in {each.key for each in span.attributes}:
        raise NotInCatalog(f"the span {span.name!r} has no attribute {declared.key}")
    return f"span.{declared.key}"


def own_attribute(span: SpanType, key: str) -> str:
    """The same for an attribute that only the span itself declares."""
    return attribute(
        span, next((each for each in span.attributes if each.key == key), Attribute(key=key, description=""))
    )


def spans(span: SpanType, *conditions: str) -> str:
    """Spans of one type, by its name where that is fixed, else by its kind."""
    if span not in SPANS:
        raise NotInCatalog(f"there is no span {span.name!r}")
    which = f"kind = {span.kind}" if "{" in span.name else f'name = "{span.name}"'
    return "{ " + " && ".join(['resource.service.name =~ "$service"', which, *conditions]) + " }"
