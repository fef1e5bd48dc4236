"""A dashboard: rows of panels on a grid of 24 columns, variables, annotations, and links to its siblings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import attr
from grafanalib.core import (
    Annotations,
    Dashboard,
    DashboardLink,
    GridPos,
    Panel,
    RowPanel,
    Templating,
    Time,
)

from dashboards.panels import Sized
from dashboards.targets import PROMETHEUS
from dashboards.variables import Variable
from lumigate import catalog
from lumigate.exposition.names import prometheus_label, prometheus_name

COLUMNS: Final = 24
TAG: Final = "lumigate"
_SHARED_TOOLTIP: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A heading and its panels, laid out from left to right. A collapsed row asks nothing until it is opened."""

    title: str
    panels: Sequence[Sized]
    collapsed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What a module of `boards/` declares. `uid` is for ever: links, alerts and bookmarks hold it."""

    uid: str
    title: str
    description: str
    tags: Sequence[str]
    variables: Sequence[Variable]
    rows: Sequence[Row]
    since: str = "now-1h"
    refresh: str = "30s"
    annotations: Sequence[dict[str, Any]] = field(default_factory=tuple)

    @property
    def file(self) -> str:
        return f"{self.uid.removeprefix('lumigate-')}.json"

    def dashboard(self) -> Dashboard:
        """As grafanalib knows it; `schema.modern` brings its JSON up to date."""
        return Dashboard(
            uid=self.uid,
            title=f"Lumigate / {self.title}",
            description=self.description,
            tags=[TAG, *self.tags],
            editable=False,  # generated: a change made by hand would be lost
            graphTooltip=_SHARED_TOOLTIP,
            time=Time(self.since, "now"),
            refresh=self.refresh,
            timezone="browser",
            links=[_siblings()],
            templating=Templating(list=list(self.variables)),
            annotations=Annotations(list=[_by_hand(), *self.annotations]),
            panels=list(self._placed()),
        ).auto_panel_ids()

    def _placed(self) -> Iterator[Panel]:
        top = 0
        for row in self.rows:
            heading = GridPos(h=1, w=COLUMNS, x=0, y=top)
            inside, bottom = _flow(row.panels, top + 1)
            if row.collapsed:
                yield RowPanel(title=row.title, gridPos=heading, collapsed=True, panels=inside)
                top += 1
            else:
                yield RowPanel(title=row.title, gridPos=heading)
                yield from inside
                top = bottom


def _flow(panels: Sequence[Sized], top: int) -> tuple[list[Panel], int]:
    """Left to right, then down; a line is as high as its highest panel."""
    placed: list[Panel] = []
    left, height = 0, 0
    for sized in panels:
        if left + sized.width > COLUMNS:
            top, left, height = top + height, 0, 0
        position = GridPos(h=sized.height, w=sized.width, x=left, y=top)
        placed.append(attr.evolve(sized.panel, gridPos=position))
        left, height = left + sized.width, max(height, sized.height)
    return placed, top + height


def _siblings() -> DashboardLink:
    return DashboardLink(
        type="dashboards", title="Lumigate", tags=[TAG], asDropdown=True, includeVars=True, keepTime=True
    )


def _by_hand() -> dict[str, Any]:
    """Annotations made in Grafana, those of `lumigate slo status --annotate` among them."""
    return {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "#56B4E9",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }


def deploys() -> list[dict[str, Any]]:
    """Deploys as annotations: a version that was not there before, a deploy that was settled, a mark by hand."""
    result = prometheus_label(catalog.DEPLOY_RESULT.key)
    settled = f'sum by ({result}) (increase({prometheus_name(catalog.DEPLOYS)}{{job=~"$job"}}[$__rate_interval])) > 0'
    version, served = prometheus_label(catalog.VERSION.key), prometheus_name(catalog.VERSION_OUTCOMES)
    versions = (
        f'count by ({version}) ({served}{{job=~"$job"}})'
        f' unless count by ({version}) ({served}{{job=~"$job"}} offset $__rate_interval)'
    )
    return [
        _annotation("New version", versions, "version {{" + version + "}}", "#0072B2"),
        _annotation("Deploy settled", settled, "{{" + result + "}}", "#E69F00"),
        {
            "datasource": {"type": "grafana", "uid": "-- Grafana --"},
            "enable": True,
            "iconColor": "#CC79A7",
            "name": "Deploys marked",
            "target": {"limit": 100, "matchAny": False, "tags": ["deploy", TAG], "type": "tags"},
        },
    ]


def _annotation(name: str, expression: str, title: str, colour: str) -> dict[str, Any]:
    return {
        "datasource": PROMETHEUS,
        "enable": True,
        "expr": expression,
        "iconColor": colour,
        "name": name,
        "step": "30s",
        "titleFormat": title,
    }
