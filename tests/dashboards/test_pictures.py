"""The pictures show what the dashboards hold, and are well-formed."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from dashboards.pictures import picture


def test_every_title_is_in_its_picture(generated: dict[str, Any]) -> None:
    for name, content in generated.items():
        root = ElementTree.fromstring(picture(content))  # noqa: S314 - our own text
        drawn = " ".join(text for text in root.itertext())
        assert content["title"] in drawn, name
        for panel in content["panels"]:
            assert panel["title"][:10] in drawn, f"{name}: {panel['title']}"


def test_queries_and_descriptions_are_in_it(generated: dict[str, Any]) -> None:
    drawn = picture(generated["cache.json"])
    assert "lumigate_cache_outcomes_total" in drawn
    assert "Bad: " in drawn


def test_nothing_is_drawn_outside(generated: dict[str, Any]) -> None:
    for content in generated.values():
        root = ElementTree.fromstring(picture(content))  # noqa: S314 - our own text
        width, height = int(root.attrib["width"]), int(root.attrib["height"])
        for each in root.iter("{http://www.w3.org/2000/svg}rect"):
            right = int(each.attrib.get("x", 0)) + int(each.attrib["width"])
            bottom = int(each.attrib.get("y", 0)) + int(each.attrib["height"])
            assert right <= width
            assert bottom <= height
