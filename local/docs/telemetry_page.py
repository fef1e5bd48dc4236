"""`docs/telemetry.md`: everything that Lumigate emits, out of the catalog that it is emitted by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lumigate import catalog
from lumigate.exposition.names import prometheus_label, prometheus_name
from lumigate.telemetry import SELF_ATTRIBUTES, Attribute, InstrumentKind, Metric
from lumigate.telemetry.schema import OTHER, EventField, LogEvent, PointColumn, SpanType

_HEADER = """\
# What Lumigate emits

Generated from [`src/lumigate/catalog`](../src/lumigate/catalog) by `uv run lumigate docs build`; do not edit. How it
travels is in [telemetry-engine.md](telemetry-engine.md), what draws it in [dashboards.md](dashboards.md), what it
promises in [`slo/`](../slo/README.md).

An attribute with a list of values has no others: anything else is recorded as `{other}`. One without is bounded by
configuration on metrics, and open on spans. Every metric has a limit of attribute sets; what comes after goes to the
set `otel.metric.overflow`.
"""
_TYPES = {str: "text", int: "integer", float: "number", bool: "true or false"}


def telemetry_page() -> str:
    """The whole page."""
    parts = [
        _HEADER.format(other=OTHER),
        _contents(),
        "## Metrics\n",
        *(_metric(metric) for metric in sorted(catalog.METRICS, key=lambda it: it.name)),
        "## Spans\n",
        *(_span(span) for span in catalog.SPANS),
        _self_attributes(),
        _log_events(catalog.LOG_EVENTS),
        _wide_event(catalog.WIDE_EVENT),
        _data_point(catalog.DATA_POINT),
    ]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def _contents() -> str:
    rows = [
        ("[Metrics](#metrics)", len(catalog.METRICS)),
        ("[Spans](#spans)", len(catalog.SPANS)),
        ("[What the engine adds to spans](#what-the-engine-adds-to-spans)", len(SELF_ATTRIBUTES)),
        *([("[Log events](#log-events)", len(catalog.LOG_EVENTS))] if catalog.LOG_EVENTS else []),
        ("[The wide event](#the-wide-event)", len(catalog.WIDE_EVENT)),
        ("[Analytics Engine columns](#analytics-engine-columns)", len(catalog.DATA_POINT)),
    ]
    return _table(("what", "how many"), ((name, str(count)) for name, count in rows))


def _metric(metric: Metric) -> str:
    suffixed = {InstrumentKind.HISTOGRAM: "_bucket`, `…_sum`, `…_count"}.get(metric.kind, "")
    facts = [
        f"{metric.kind.value.replace('_', '-')}, unit `{metric.unit}`",
        f"Prometheus: `{prometheus_name(metric)}{suffixed}`",
        f"at most {metric.cardinality_limit:,} attribute sets",
    ]
    if metric.buckets:
        facts.append(f"buckets: {', '.join(f'{bound:g}' for bound in metric.buckets)}")
    head = f"### `{metric.name}`\n\n{metric.description}\n\n" + "".join(f"- {fact}\n" for fact in facts)
    if not metric.attributes:
        return head
    rows = (
        (f"`{it.key}`", f"`{prometheus_label(it.key)}`", _values(it), it.description)
        for it in metric.attributes
    )
    return f"{head}\n{_table(('attribute', 'label', 'values', 'what'), rows)}"


def _span(span: SpanType) -> str:
    head = f"### `{span.name}`\n\n{span.description}\n\n- {span.kind}\n"
    if span.events:
        head += f"- events: {', '.join(f'`{name}`' for name in span.events)}\n"
    return f"{head}\n{_attributes(span.attributes)}" if span.attributes else head


def _self_attributes() -> str:
    return f"## What the engine adds to spans\n\n{_attributes(SELF_ATTRIBUTES)}"


def _log_events(events: Sequence[LogEvent]) -> str:
    if not events:
        return ""
    parts = [
        f"### `{it.name}`\n\n{it.description}\n"
        + (f"\n{_attributes(it.attributes)}" if it.attributes else "")
        for it in events
    ]
    return "\n".join(["## Log events\n", *parts])


def _wide_event(fields: Iterable[EventField]) -> str:
    rows = ((f"`{it.name}`", _TYPES[it.type], it.unit, it.description) for it in fields)
    table = _table(("field", "type", "unit", "what"), rows)
    return (
        "## The wide event\n\nOne a request: a line of JSON on the console, or a [log record](#log-events) over OTLP, "
        f"or both, as `WIDE_EVENT_SINKS` says.\n\n{table}"
    )


def _data_point(columns: Iterable[PointColumn]) -> str:
    rows = ((f"`{it.column}`", f"`{it.name}`", it.unit, it.description) for it in columns)
    table = _table(("column", "name", "unit", "what"), rows)
    return f"## Analytics Engine columns\n\nOne data point a request.\n\n{table}"


def _attributes(attributes: Iterable[Attribute]) -> str:
    rows = ((f"`{it.key}`", _values(it), it.description) for it in attributes)
    return _table(("attribute", "values", "what"), rows)


def _values(attribute: Attribute) -> str:
    if attribute.values is None:
        return _TYPES[attribute.type]
    return ", ".join(f"`{value}`" for value in sorted(attribute.values))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(_lines(header, rows)) + "\n"


def _lines(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{' --- |' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '\\|') for cell in row)} |"
