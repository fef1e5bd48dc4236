"""Tools are compared with what the checkout pins; each kind of disagreement is named."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from local.doctor.finding import Finding, Level
from local.doctor.versions_check import check_versions
from local.toolchain import ROOT
from local.wrangler import node_for_wrangler, version_of


def about(root: Path, where: str) -> list[Finding]:
    return [each for each in check_versions(root) if each.where == where]


def install(root: Path, name: str, version: str) -> Path:
    folder = root / "node_modules" / name
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"version": version}), "utf-8")
    return folder


def change(path: Path, **members: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **members}), "utf-8")


def test_this_checkout_is_not_at_fault() -> None:
    assert [each for each in check_versions(ROOT) if each.level is Level.ERROR] == []


def test_what_is_not_installed_yet_is_said_with_how_to(root: Path) -> None:
    for where in ("pyodide", "wrangler", "python_modules"):
        (finding,) = about(root, where)
        assert finding.level is Level.SKIPPED
        assert finding.next_step


def test_a_python_that_is_too_old_is_named(root: Path) -> None:
    path = root / "pyproject.toml"
    path.write_text(
        path.read_text("utf-8").replace('requires-python = ">=3.13"', 'requires-python = ">=9.1"'), "utf-8"
    )
    (finding,) = about(root, "python")
    assert (finding.level, finding.next_step) == (Level.ERROR, "uv python install 9.1")


def test_a_tool_of_another_version_is_named(root: Path) -> None:
    install(root, "wrangler", "1.2.3")
    (finding,) = about(root, "wrangler")
    assert "1.2.3 is installed" in finding.what


def test_pins_that_disagree_or_float_are_named(root: Path) -> None:
    change(root / "package.json", dependencies={"pyodide": "1.0.0"}, devDependencies={"wrangler": "^4"})
    assert any("package-lock.json" in each.what for each in about(root, "pyodide"))
    assert any("not one version" in each.what for each in about(root, "wrangler"))


def test_an_interpreter_that_the_wheels_are_not_for_is_named(root: Path) -> None:
    locked = json.loads((root / "package-lock.json").read_text("utf-8"))["packages"]["node_modules/pyodide"][
        "version"
    ]
    folder = install(root, "pyodide", locked)
    for info, wrong in (
        ({"python": "3.14.2", "abi_version": "2026_0"}, 0),
        ({"python": "3.13.2", "abi_version": "2025_0"}, 2),
    ):
        (folder / "pyodide-lock.json").write_text(json.dumps({"info": info}), "utf-8")
        assert sum(each.level is Level.ERROR for each in about(root, "pyodide")) == wrong


def test_wheels_of_another_lock_file_are_named(root: Path) -> None:
    lock, stamp = root / "python_modules.lock", root / ".cache" / "python_modules.stamp"
    (root / "python_modules").mkdir()
    stamp.parent.mkdir()
    stamp.write_text(hashlib.sha256(lock.read_bytes()).hexdigest(), "utf-8")
    assert about(root, "python_modules")[0].level is Level.OK
    lock.write_text("another", "utf-8")
    assert about(root, "python_modules")[0].level is Level.WARNING


@pytest.mark.parametrize("name", ["package.json", "package-lock.json"])
def test_pins_that_cannot_be_read_are_named(root: Path, name: str) -> None:
    (root / name).write_text("{", "utf-8")
    (finding,) = about(root, "pins")
    assert finding.level is Level.ERROR


def test_the_node_that_wrangler_wants_is_read_from_its_lock() -> None:
    assert node_for_wrangler({"node_modules/wrangler": {"engines": {"node": ">=22.1.0"}}}) == (22, 1, 0)
    assert node_for_wrangler({}) == (20, 0, 0)
    lock = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    assert node_for_wrangler(lock) >= (22, 0, 0)


def test_a_tool_that_does_not_run_has_no_version() -> None:
    assert version_of("no-such-tool-anywhere", "--version") is None
    assert version_of("false") is None
