"""Panels: grafanalib's, with what every one of ours must have, and the kinds that it lacks.

Each factory takes title, description and unit as a matter of course: the description says what a bad value looks like.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import attr
from grafanalib.core import Logs, Panel, Stat, StateTimeline, Table, Target, TimeSeries

from dashboards import palette
from dashboards.links import Links, behind
from dashboards.targets import PromTarget, data_source, lettered, tempo

NO_UNIT: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """A panel and the room it takes on a grid of 24 columns."""

    panel: Panel
    width: int
    height: int = 8


@attr.s
class Heatmap(Panel):  # type: ignore[misc]
    """The heatmap of Grafana 9 and later; grafanalib's writes the one before."""

    unit: str = attr.ib(default="s")

    def to_json_data(self) -> Any:
        return self.panel_json(
            {
                "type": "heatmap",
                "fieldConfig": {"defaults": {"unit": self.unit}, "overrides": []},
                "options": {
                    "calculate": False,
                    "cellGap": 1,
                    "color": {
                        "mode": "scheme",
                        "scheme": palette.HEAT,
                        "steps": 64,
                        "exponent": 0.5,
                        "scale": "exponential",
                        "fill": palette.SKY,
                        "reverse": False,
                    },
                    "exemplars": {"color": palette.VERMILION},
                    "filterValues": {"le": 1e-9},
                    "legend": {"show": True},
                    "rowsFrame": {"layout": "auto"},
                    "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": False},
                    "yAxis": {"axisPlacement": "left", "reverse": False, "unit": self.unit},
                },
            }
        )


@attr.s
class Traces(Panel):  # type: ignore[misc]
    """One trace as a waterfall; grafanalib has none."""

    def to_json_data(self) -> Any:
        return self.panel_json(
            {"type": "traces", "options": {}, "fieldConfig": {"defaults": {}, "overrides": []}}
        )


def lines(
    title: str,
    description: str,
    *targets: Target,
    unit: str,
    colours: Iterable[str] | None = (),
    bars: bool = False,
    stacked: bool = False,
    warning: float | None = None,
    bad: float | None = None,
    falling: bool = False,
    minimum: int | None = 0,
    maximum: int | None = None,
    width: int = 12,
    links: Links = (),
) -> Sized:
    """A graph over time. `colours`: the series' names, where they are known; None: an open set.

    `minimum` is None for what can be negative, or it would fall off the graph.

    A series of Prometheus leads to the logs and traces behind it.
    """
    names = list(colours or ())
    known = palette.colours(names)
    limited = warning is not None or bad is not None
    return Sized(
        width=width,
        panel=TimeSeries(
            **_common(title, description, targets, links),
            unit=unit,
            colorMode="palette-classic" if names and len(known) == len(names) else palette.OPEN_SET,
            drawStyle="bars" if bars else "line",
            fillOpacity=70 if bars else 25 if stacked else 8,
            lineWidth=1,
            showPoints="never",
            stacking={"mode": "normal", "group": "A"} if stacked else {"mode": "none", "group": "A"},
            legendDisplayMode="table",
            legendPlacement="bottom",
            legendCalcs=["mean", "max", "lastNotNull"],
            tooltipMode="multi",
            tooltipSort="desc",
            thresholds=palette.steps(warning, bad, falling=falling),
            thresholdsStyleMode="dashed" if limited else "off",
            valueMin=minimum,
            valueMax=maximum,
            overrides=[palette.override(name, colour) for name, colour in known.items()],
            extraJson=_data_links(targets),
        ),
    )


def stat(
    title: str,
    description: str,
    target: Target,
    *,
    unit: str,
    warning: float | None = None,
    bad: float | None = None,
    falling: bool = False,
    nothing: str = "no data",
    decimals: int | None = None,
    width: int = 4,
    links: Links = (),
) -> Sized:
    """One number, coloured by its thresholds. `nothing` is what it says where the query has no answer."""
    return Sized(
        width=width,
        height=5,
        panel=Stat(
            **_common(title, description, (target,), links),
            format=unit,
            color={"mode": "thresholds"},
            decimals=decimals,
            noValue=nothing,
            reduceCalc="lastNotNull",
            graphMode="none" if target.instant else "area",
            thresholds=palette.steps(warning, bad, falling=falling),
        ),
    )


def table(
    title: str,
    description: str,
    *targets: Target,
    unit: str = NO_UNIT,
    units: Mapping[str, str] | None = None,
    links_in: Mapping[str, tuple[str, str]] | None = None,
    transformations: Sequence[dict[str, Any]] = (),
    bars_in: Mapping[str, tuple[float | None, float | None, bool]] | None = None,
    width: int = 24,
    height: int = 9,
    links: Links = (),
) -> Sized:
    """Rows. `units`, `links_in` (title and URL) and `bars_in` (warning, bad, falling) are by column."""
    overrides: dict[str, list[dict[str, Any]]] = {}
    for name, each in (units or {}).items():
        overrides.setdefault(name, []).append({"id": "unit", "value": each})
    for name, (text, url) in (links_in or {}).items():
        link = [{"title": text, "url": url, "targetBlank": False}]
        overrides.setdefault(name, []).append({"id": "links", "value": link})
    for name, (warning, bad, falling) in (bars_in or {}).items():
        steps = palette.steps(warning, bad, falling=falling)
        overrides.setdefault(name, []).extend(
            [
                {"id": "thresholds", "value": {"mode": "absolute", "steps": steps}},
                {"id": "custom.cellOptions", "value": {"type": "color-text"}},
            ]
        )
    return Sized(
        width=width,
        height=height,
        panel=Table(
            **_common(title, description, targets, links),
            unit=unit,
            filterable=True,
            thresholds=palette.steps(),
            transformations=list(transformations),
            overrides=[
                {"matcher": {"id": "byName", "options": name}, "properties": properties}
                for name, properties in overrides.items()
            ],
        ),
    )


def heatmap(
    title: str, description: str, target: Target, *, unit: str, width: int = 12, links: Links = ()
) -> Sized:
    """Where values lie, over time."""
    target.format = "heatmap"
    return Sized(
        width=width,
        panel=Heatmap(**_common(title, description, (target,), links), unit=unit),
    )


def states(
    title: str,
    description: str,
    *targets: Target,
    values: Mapping[int, tuple[str, str]],
    width: int = 12,
    height: int = 8,
    links: Links = (),
) -> Sized:
    """States over time; `values`: a text and a colour for each number."""
    mappings = {
        str(value): {"text": text, "color": colour, "index": index}
        for index, (value, (text, colour)) in enumerate(values.items())
    }
    return Sized(
        width=width,
        height=height,
        panel=StateTimeline(
            **_common(title, description, targets, links),
            mappings=[{"type": "value", "options": mappings}],
            thresholds=palette.steps(),
            showValue="never",
        ),
    )


def logs(
    title: str,
    description: str,
    target: Target,
    *,
    width: int = 24,
    height: int = 12,
    links: Links = (),
) -> Sized:
    return Sized(
        width=width,
        height=height,
        panel=Logs(
            **_common(title, description, (target,), links),
            showTime=True,
            wrapLogMessages=True,
            enableLogDetails=True,
            prettifyLogMessage=True,
        ),
    )


def trace(title: str, description: str, query: str, *, height: int = 16, links: Links = ()) -> Sized:
    """One trace, by the id in a variable."""
    return Sized(
        width=24,
        height=height,
        panel=Traces(**_common(title, description, (tempo(query),), links)),
    )


def _data_links(targets: Sequence[Target]) -> dict[str, Any] | None:
    if not all(isinstance(target, PromTarget) for target in targets):
        return None
    found = behind(target.legendFormat for target in targets)
    return {"fieldConfig": {"defaults": {"links": [found]}}}


def _common(title: str, description: str, targets: tuple[Target, ...], links: Links) -> dict[str, Any]:
    return {
        "title": title,
        "description": description,
        "dataSource": data_source(targets),
        "targets": lettered(targets),
        "links": list(links),
        "maxDataPoints": None,
    }
