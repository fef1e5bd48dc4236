"""The dashboards are in Grafana's classic schema 42: by its published types, and by what must be gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from grafanalib.core import Dashboard, RowPanel

from dashboards.schema import SCHEMA_VERSION, modern
from tests.dashboards import grafana_types
from tests.dashboards.filled import panels

type Dashboards = dict[str, dict[str, Any]]
GONE = {
    *("rows", "sharedCrosshair", "hideControls", "gnetId", "__inputs", "style", "span", "minSpan"),
    *("cacheTimeout", "intervalFactor", "metric", "step", "useTags", "tagsQuery", "tagValuesQuery"),
    *("yBucketBound", "xAxis", "cards", "dataFormat", "highlightCards", "error"),
}
"""Keys of old schemas that grafanalib writes or wrote."""


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from keys(each)
    elif isinstance(value, list):
        for each in value:
            yield from keys(each)


def test_grafanas_types_lose_nothing_of_them(generated: Dashboards) -> None:
    for name, content in generated.items():
        _, again = grafana_types.read(content)
        assert list(grafana_types.lost(content, again)) == [], name


def test_every_value_has_the_type_that_grafana_says(generated: Dashboards) -> None:
    for name, content in generated.items():
        found, _ = grafana_types.read(content)
        assert list(grafana_types.wrong_types(found)) == [], name


def test_the_published_types_are_of_the_same_schema(generated: Dashboards) -> None:
    dashboard, _ = grafana_types.models()
    assert dashboard.Dashboard().schema_version == SCHEMA_VERSION
    assert {content["schemaVersion"] for content in generated.values()} == {SCHEMA_VERSION}


def test_the_validator_finds_what_is_wrong(generated: Dashboards) -> None:
    """A check that cannot fail would be none."""
    content = {**generated["cache.json"], "sharedCrosshair": True, "tags": "cache"}
    found, again = grafana_types.read(content)
    assert any("sharedCrosshair" in fault for fault in grafana_types.lost(content, again))
    assert any("tags" in fault for fault in grafana_types.wrong_types(found))


def test_keys_of_old_schemas_are_gone(generated: Dashboards) -> None:
    for name, content in generated.items():
        assert set(keys({**content, "annotations": {}})) & GONE == set(), name


def test_what_grafanalib_writes_by_itself_is_brought_up_to_date() -> None:
    old = Dashboard(title="old", panels=[RowPanel(title="row")])
    assert old.to_json_data()["schemaVersion"] == 12
    new = modern(old.auto_panel_ids())
    assert new["schemaVersion"] == SCHEMA_VERSION
    assert set(keys(new)) & GONE == set()


@pytest.mark.parametrize("kind", ["graph", "singlestat", "table-old", "grafana-piechart-panel"])
def test_no_panel_of_the_angular_years_is_left(generated: Dashboards, kind: str) -> None:
    assert all(panel["type"] != kind for content in generated.values() for panel in panels(content))


def test_panels_do_not_overlap_and_stay_on_the_grid(generated: Dashboards) -> None:
    for name, content in generated.items():
        taken: set[tuple[int, int]] = set()
        for panel in content["panels"]:
            at = panel["gridPos"]
            cells = {
                (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
            }
            assert not cells & taken, f"{name}: {panel['title']}"
            assert at["x"] + at["w"] <= 24, f"{name}: {panel['title']}"
            taken |= cells


def test_panel_ids_are_unique(generated: Dashboards) -> None:
    for content in generated.values():
        ids = [p["id"] for p in panels(content)] + [p["id"] for p in content["panels"] if p["type"] == "row"]
        assert len(ids) == len(set(ids))
