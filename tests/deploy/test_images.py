"""What is pulled is a release that is named, and the same one everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = sorted((ROOT / "deploy").rglob("compose*.yaml"))
OVERRIDABLE = re.compile(r"\$\{[A-Z_]+:-([^}]+)\}")


def images(path: Path) -> Iterator[str]:
    """As they are without a setting of one's own."""
    for service in yaml.safe_load(path.read_text("utf-8"))["services"].values():
        yield OVERRIDABLE.sub(r"\1", service["image"])


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_an_image_is_a_release(path: Path) -> None:
    found = list(images(path))
    assert found
    for image in found:
        assert re.fullmatch(r"[a-z][a-z./-]+:v?\d+\.\d+\.\d+", image), image


def test_an_image_has_one_version_everywhere() -> None:
    versions: dict[str, set[str]] = {}
    for path in COMPOSE:
        for image in images(path):
            name, _, version = image.partition(":")
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_their_pins_are_kept_fresh() -> None:
    """Dependabot looks into each folder that pins something, a week after a release at the earliest."""
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text("utf-8"))["updates"]
    looked = {
        (update["package-ecosystem"], folder)
        for update in updates
        for folder in update.get("directories", [update.get("directory")])
    }
    composed = {("docker-compose", f"/{path.parent.relative_to(ROOT).as_posix()}") for path in COMPOSE}
    configured = {("terraform", "/deploy/terraform"), ("uv", "/"), ("npm", "/"), ("github-actions", "/")}
    actions = {
        ("github-actions", f"/{path.parent.relative_to(ROOT).as_posix()}")
        for path in (ROOT / ".github" / "actions").rglob("action.yaml")
    }
    assert composed | configured | actions <= looked
    assert all(update["cooldown"]["default-days"] >= 7 for update in updates)
