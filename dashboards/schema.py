"""One pass from what grafanalib writes (schema 12 and keys of the Angular years) to Grafana's classic schema 42.

It drops what Grafana has dropped and keeps nothing that is null; whatever else it meets stays as it is, so that the
validation against Grafana's own types finds it.
"""

from __future__ import annotations

import json
from typing import Any, Final

from grafanalib._gen import DashboardEncoder
from grafanalib.core import Dashboard

SCHEMA_VERSION: Final = 42
_OF_DASHBOARDS: Final = {
    *(
        "__inputs",
        "gnetId",
        "hideControls",
        "id",
        "rows",
        "sharedCrosshair",
        "style",
        "timepicker",
        "version",
    ),
}
_OF_PANELS: Final = {
    *(
        "cacheTimeout",
        "editable",
        "error",
        "height",
        "hideTimeOverride",
        "maxPerRow",
        "minSpan",
        "repeatDirection",
    ),
    *("span", "color", "columns", "fontSize", "mappings", "timeFrom", "timeShift", "interval", "repeat"),
}
_OF_ROWS: Final = {
    "datasource",
    "description",
    "fieldConfig",
    "links",
    "targets",
    "transparent",
    "transformations",
}
_TIMESERIES: Final = {"axisCenteredZero": False, "axisColorMode": "text", "axisBorderShow": False}


def modern(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard in schema 42, as plain data."""
    old: dict[str, Any] = json.loads(
        json.dumps(dashboard.to_json_data(), cls=DashboardEncoder, sort_keys=True)
    )
    new = {key: value for key, value in old.items() if key not in _OF_DASHBOARDS}
    found: dict[str, Any] = _without_null(
        {
            **new,
            "fiscalYearStartMonth": 0,
            "schemaVersion": SCHEMA_VERSION,
            "panels": [_panel(panel) for panel in old["panels"]],
            "links": [_link(link) for link in old["links"]],
        }
    )
    return found


def text(content: dict[str, Any]) -> str:
    """The file: keys sorted, so that a change shows as what it is."""
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _panel(old: dict[str, Any]) -> dict[str, Any]:
    if old["type"] == "row":
        row = {
            key: value for key, value in old.items() if key not in _OF_PANELS | _OF_ROWS | {"maxDataPoints"}
        }
        return {**row, "panels": [_panel(panel) for panel in old["panels"]]}
    new = {key: value for key, value in old.items() if key not in _OF_PANELS}
    new = {
        key: value for key, value in new.items() if value not in (None, [], "") or key in ("targets", "title")
    }
    if not new.get("transparent"):
        new.pop("transparent", None)
    _SHAPES.get(old["type"], lambda _: None)(new)
    defaults = new["fieldConfig"]["defaults"]
    if not defaults.get("thresholds", {}).get("steps"):
        defaults.pop("thresholds", None)
    for key in ("mappings", "custom"):
        if not defaults.get(key):
            defaults.pop(key, None)
    new["fieldConfig"].setdefault("overrides", [])
    return new


def _graph(panel: dict[str, Any]) -> None:
    custom = panel["fieldConfig"]["defaults"]["custom"]
    custom.update(_TIMESERIES)
    scale = custom["scaleDistribution"]
    if scale["type"] == "linear":
        del scale["log"]
    legend = panel["options"]["legend"]
    legend["showLegend"] = True


def _stat(panel: dict[str, Any]) -> None:
    panel["options"].update(
        {"percentChangeColorMode": "standard", "showPercentChange": False, "wideLayout": True}
    )


def _table(panel: dict[str, Any]) -> None:
    custom = panel["fieldConfig"]["defaults"]["custom"]
    del custom["displayMode"]
    custom["cellOptions"] = {"type": "auto"}
    custom["inspect"] = False
    panel["fieldConfig"]["defaults"]["color"] = {"mode": "thresholds"}
    panel["options"] = {"cellHeight": "sm", "showHeader": True}


def _states(panel: dict[str, Any]) -> None:
    panel["options"]["legend"]["showLegend"] = True
    panel["options"]["tooltip"]["sort"] = "none"


def _logs(panel: dict[str, Any]) -> None:
    panel["options"].setdefault("enableInfiniteScrolling", False)


_SHAPES: Final = {
    "timeseries": _graph,
    "stat": _stat,
    "table": _table,
    "state-timeline": _states,
    "logs": _logs,
}


def _link(old: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in old.items() if key != "url" or value}


def _without_null(value: Any) -> Any:
    """Keys without a value say nothing; a threshold's first step alone must have its null."""
    if isinstance(value, dict):
        return {
            key: _without_null(each)
            for key, each in value.items()
            if each is not None or (key == "value" and "color" in value)
        }
    return [_without_null(each) for each in value] if isinstance(value, list) else value
