"""SLO and error budget: one row a promise: burn-down, burn by window, which alert would fire, where it comes from, who
suffers."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards import sql
from dashboards.board import Board, Row, deploys
from dashboards.boards import promises as parts
from dashboards.boards import uids
from dashboards.boards.limits import Limits
from dashboards.links import link
from dashboards.panels import Sized, table
from dashboards.promql import RANGE, legend
from dashboards.targets import at_the_end, sql_table
from dashboards.variables import data_source, dataset, metrics_of, promise, service
from lumigate.exposition.names import prometheus_label
from lumigate.telemetry.schema import Attribute
from slo.model import CatalogEvents, Counted, Events, PointCondition, Promise, Selection
from slo.point_columns import names_in
from slo.promql import series_of

_WORST = 10
_SHOWN_LABELS = 3
_PLUGIN = "vertamedia-clickhouse-datasource"


def board(
    promises: Sequence[Promise], limits: Limits, default_dataset: str, step: float = parts.STEP_SECONDS
) -> Board:
    tiers = max((one.tiers(step) for one in promises), key=len)
    return Board(
        uid=uids.SLO,
        title="SLO and error budget",
        description="Every promise: budget, burn, alerts, and where the bad events come from.",
        tags=("slo",),
        since="now-30d",
        refresh="1m",
        variables=[
            *metrics_of(),
            service(),
            promise(),
            data_source(_PLUGIN),
            dataset(default_dataset),
        ],
        annotations=deploys(),
        rows=[
            Row(title="All promises", panels=[parts.standings(promises, step)]),
            Row(title="Chosen: $slo", panels=[parts.burn_down(), parts.burn_rates(None, tiers)]),
            *(Row(title=one.title, panels=_row(one, limits, step), collapsed=True) for one in promises),
        ],
    )


def _row(one: Promise, limits: Limits, step: float) -> list[Sized]:
    tiers = one.tiers(step)
    found = [parts.burn_down(one), parts.burn_rates(one, tiers), parts.alerts(one, tiers, limits)]
    if (worst := _where_from(one)) is not None:
        found.append(worst)
    if one.points is not None:
        found.append(_who_suffers(one))
    return found


def _where_from(one: Promise) -> Sized | None:
    """Bad events by the labels of what is counted: routes, models, reasons, whatever there is."""
    if not isinstance(one.indicator, Counted):
        return None
    parts_, total = one.indicator.part, one.indicator.total
    by = _shared_labels(one)
    if not by or not isinstance(parts_, CatalogEvents) or not isinstance(total, CatalogEvents):
        return None
    bad = _grown(parts_, by)
    if one.indicator.numerator == "good":
        bad = f"{_grown(total, by)}\n- ({bad} or 0 * {_grown(total, by)})"
    names = {prometheus_label(attribute.key): attribute.key for attribute in by}
    return table(
        "Where the bad events are",
        f"Bad events over the range by {legend(*by).replace('{{', '').replace('}}', '').replace(' · ', ', ')}, the "
        "most first. Bad: one line that holds most of them: that is the cause.",
        at_the_end(f"topk({_WORST}, clamp_min({bad}, 0))"),
        units={"Bad events": "short"},
        transformations=[
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "renameByName": {**names, "Value": "Bad events"},
                },
            }
        ],
        width=12,
        height=8,
        links=[link("Logs and traces", uids.EXPLORE, "")],
    )


def _shared_labels(one: Promise) -> tuple[Attribute, ...]:
    """Attributes that everything the promise counts has, in the order of the first metric."""
    selections = one.selections()
    shared = (
        set.intersection(*({a.key for a in s.metric.attributes} for s in selections)) if selections else set()
    )
    return (
        tuple(a for a in selections[0].metric.attributes if a.key in shared)[:_SHOWN_LABELS]
        if selections
        else ()
    )


def _grown(events: Events, by: tuple[Attribute, ...]) -> str:
    assert isinstance(events, CatalogEvents)
    labels = ", ".join(prometheus_label(attribute.key) for attribute in by)
    found = [f"sum by ({labels}) (increase({_series(each)}[{RANGE}]))" for each in events.selections]
    return found[0] if len(found) == 1 else f"sum by ({labels}) ({' or '.join(_told_apart(found))})"


def _told_apart(expressions: Sequence[str]) -> list[str]:
    """`or` takes the second only where the first has no such labels; a label of its own keeps them apart."""
    return [
        f'label_replace({expression}, "part", "{index}", "", "")'
        for index, expression in enumerate(expressions)
    ]


def _series(selection: Selection) -> str:
    series = series_of(selection, {})
    name, _, conditions = series.partition("{")
    inner = ['job=~"$job"', *([conditions.removesuffix("}")] if conditions else [])]
    return f"{name}{{{', '.join(inner)}}}"


def _who_suffers(one: Promise) -> Sized:
    assert one.points is not None
    bad = " AND ".join(_condition(each) for each in one.points.bad)
    bad = f"NOT ({bad})" if one.points.negated else bad
    query = sql.query(
        {
            "bad": sql.requests_if(bad),
            "requests": sql.REQUESTS,
            "share": sql.share(bad),
        },
        by=("tenant",),
        where=[_condition(each) for each in one.points.total],
        order="bad DESC",
        limit=_WORST,
    )
    return table(
        "Who suffers",
        "Tenants by bad requests over the range, weighted for sampling. Bad: one tenant has most of them: talk to "
        "them before they do.",
        sql_table(query),
        units={"share": "percentunit", "bad": "short", "requests": "short"},
        width=12,
        height=8,
        links=[link("By tenant and country", uids.ANALYTICS_ENGINE, "")],
        links_in={
            "tenant": (
                "This tenant",
                f"/d/{uids.ANALYTICS_ENGINE}?${{__url_time_range}}&var-tenant=${{__value.raw}}",
            )
        },
    )


def _condition(condition: PointCondition) -> str:
    value = " - ".join(sql.column(name) for name in names_in(condition.value))
    operands = [_literal(operand) for operand in condition.operands]
    if condition.operator in ("<=", ">"):
        return f"{value} {condition.operator} {operands[0]}"
    return f"{value} {condition.operator.upper()} ({', '.join(operands)})"


def _literal(value: str | float) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else f"{value:.12g}"
