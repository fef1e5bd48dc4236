"""Queries of the generated dashboards, with Grafana's variables filled in as Grafana fills them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

WINDOW: Final = "10m"
"""Both for `$__rate_interval` and `$__range`: the whole of the traffic, on a machine that takes its time as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query of one panel, as it is sent."""

    dashboard: str
    panel: str
    ref: str
    kind: str
    text: str
    instant: bool = False

    @property
    def id(self) -> str:
        return f"{self.dashboard} / {self.panel} / {self.ref}"


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, those in collapsed rows too; rows themselves are none."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def queries(dashboards: Mapping[str, Mapping[str, Any]], kind: str) -> list[Query]:
    """Those for one type of data source, as they are written."""
    return [
        Query(
            dashboard=name,
            panel=panel["title"],
            ref=target["refId"],
            kind=kind,
            text=target.get("expr") or target.get("query") or "",
            instant=bool(target.get("instant")),
        )
        for name, dashboard in dashboards.items()
        for panel in panels(dashboard)
        for target in panel["targets"]
        if target["datasource"]["type"] == kind
    ]


def promql(text: str, **values: str) -> str:
    """Variables at «All» unless a value is given. Raises AssertionError for one that nobody fills."""
    chosen = {
        "environment": ".+",
        "job": ".+",
        "route": ".*",
        "provider": ".*",
        "model": ".*",
        "service": ".+",
        "slo": ".+",
        **values,
    }
    text = text.replace("$__rate_interval", WINDOW).replace("$__range", WINDOW)
    text = text.replace("${__from:date:seconds}", str(int(time.time()) - 60))
    for name, value in chosen.items():
        text = text.replace(f"${{{name}}}", value).replace(f"${name}", value)
    assert "$" not in text, text
    return text


def without_zero(text: str) -> str:
    """A query without its `or vector(0)`: what is left must find something."""
    return re.sub(r"\s+or vector\(0\)", "", text)
