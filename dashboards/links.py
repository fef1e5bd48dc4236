"""Links onward: from a panel to another dashboard or a runbook, from a series of a graph to the events behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from dashboards.boards import uids
from lumigate.catalog import GEN_AI_MODEL, HTTP_ROUTE
from lumigate.exposition.names import prometheus_label

type Link = dict[str, Any]
type Links = Sequence[Link]

_CARRIED: Final[Mapping[str, str]] = {
    prometheus_label(HTTP_ROUTE.key): "route",
    prometheus_label(GEN_AI_MODEL.key): "model",
}
"""Labels of a series that the dashboard of logs and traces has a variable for."""


def link(title: str, uid: str, variables: str = "${__all_variables}") -> Link:
    """Onward to another dashboard, with the time range and what is chosen here."""
    url = f"/d/{uid}?${{__url_time_range}}" + (f"&{variables}" if variables else "")
    return {"title": title, "url": url, "targetBlank": False}


def page(title: str, url: str) -> Link:
    """Out of Grafana."""
    return {"title": title, "url": url, "targetBlank": True}


def behind(legends: Iterable[str]) -> Link:
    """From a series to its logs and traces, narrowed by those of its labels that can be and that every legend names."""
    named = [set(re.findall(r"\{\{(\w+)\}\}", legend)) for legend in legends]
    shared = set.intersection(*named) if named else set()
    chosen = [
        f"var-{variable}=${{__field.labels.{label}}}"
        for label, variable in _CARRIED.items()
        if label in shared
    ]
    return link("Logs and traces behind this", uids.EXPLORE, "&".join(chosen))
