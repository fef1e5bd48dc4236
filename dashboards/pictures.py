"""Each dashboard's layout as a picture: rows, panels with titles, kinds and queries, drawn from its JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from dashboards.palette import BLUE, GREY, ORANGE, PURPLE, SKY, VERMILION

_COLUMN: Final = 46
_LINE: Final = 22
_GAP: Final = 4
_COLOURS: Final[Mapping[str, str]] = {
    "timeseries": BLUE,
    "stat": SKY,
    "table": ORANGE,
    "heatmap": PURPLE,
    "state-timeline": VERMILION,
}
_STYLE: Final = (
    "text{font-family:ui-sans-serif,system-ui,sans-serif;fill:#222}"
    ".t{font-size:12px;font-weight:600}.q{font-family:ui-monospace,monospace;font-size:8.5px;fill:#555}"
    ".r{font-size:13px;font-weight:600}.d{font-size:11px;fill:#555}.h{font-size:18px;font-weight:700}"
)


def picture(dashboard: Mapping[str, Any]) -> str:
    """SVG. Of collapsed rows the first is drawn open, below the others' headings: they are alike."""
    panels = _opened(dashboard["panels"])
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    width, height = 24 * _COLUMN + 2 * _GAP, bottom * _LINE + 78
    body = [
        f'<text class="h" x="8" y="26">{escape(dashboard["title"])}</text>',
        f'<text class="d" x="8" y="45">{escape(dashboard["description"])}</text>',
        f'<text class="d" x="8" y="62">{escape(_variables(dashboard))}</text>',
    ]
    for panel in panels:
        body += _row(panel) if panel["type"] == "row" else _panel(panel)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}">',
            f"<style>{_STYLE}</style>",
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            *body,
            "</svg>",
            "",
        ]
    )


def _opened(panels: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    first = next((panel for panel in panels if panel.get("panels")), None)
    if first is None:
        return list(panels)
    heading = {
        "type": "row",
        "title": f"Inside «{first['title']}»",
        "gridPos": {**first["gridPos"], "y": bottom},
    }
    down = bottom - first["gridPos"]["y"]
    inside = [{**p, "gridPos": {**p["gridPos"], "y": p["gridPos"]["y"] + down}} for p in first["panels"]]
    return [*panels, heading, *inside]


def queries(panel: Mapping[str, Any]) -> Iterator[str]:
    """The texts of a panel's queries, whatever their language."""
    for target in panel.get("targets", ()):
        yield target.get("expr") or target.get("query") or ""


def _variables(dashboard: Mapping[str, Any]) -> str:
    names = [f"${variable['name']}" for variable in dashboard["templating"]["list"]]
    return f"{' '.join(names)} · {dashboard['time']['from']} · /d/{dashboard['uid']}"


def _place(panel: Mapping[str, Any]) -> tuple[int, int, int, int]:
    at = panel["gridPos"]
    return at["x"] * _COLUMN + _GAP, at["y"] * _LINE + 72, at["w"] * _COLUMN - _GAP, at["h"] * _LINE - _GAP


def _row(panel: Mapping[str, Any]) -> list[str]:
    x, y, _, _ = _place(panel)
    inside = f" ({len(panel['panels'])} panels, collapsed)" if panel.get("panels") else ""
    return [f'<text class="r" x="{x}" y="{y + 14}">▾ {escape(panel["title"])}{inside}</text>']


def _panel(panel: Mapping[str, Any]) -> list[str]:
    x, y, width, height = _place(panel)
    colour = _COLOURS.get(panel["type"], GREY)
    found = [
        f"<g><title>{escape(panel.get('description', ''))}</title>",
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="#fafafa" stroke="#ccc"/>',
        f'<rect x="{x}" y="{y}" width="4" height="{height}" fill="{colour}"/>',
    ]
    title = textwrap.shorten(
        f"{panel['title']} ({panel['type']})", max(12, int(width / 6.6)), placeholder="…"
    )
    found.append(f'<text class="t" x="{x + 10}" y="{y + 16}">{escape(title)}</text>')
    room = (height - 24) // 11
    for index, line in enumerate(_wrapped(panel, max(16, int((width - 18) / 5.15)))[:room]):
        found.append(f'<text class="q" x="{x + 10}" y="{y + 30 + index * 11}">{escape(line)}</text>')
    return [*found, "</g>"]


def _wrapped(panel: Mapping[str, Any], characters: int) -> list[str]:
    return [
        line
        for query in queries(panel)
        for line in textwrap.wrap(" ".join(query.split()), characters, subsequent_indent="  ")
    ]
