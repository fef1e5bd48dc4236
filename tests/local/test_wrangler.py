"""Where wrangler cannot be run, it is said which part of it is missing: itself, or a Node that is new enough."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local import toolchain
from local.wrangler import COMMAND, find_wrangler, why_no_wrangler


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One whose lock wants Node 22, on a machine without any."""
    lock = {"packages": {"node_modules/wrangler": {"engines": {"node": ">=22.0.0"}}}}
    (tmp_path / "package-lock.json").write_text(json.dumps(lock), "utf-8")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv(COMMAND, raising=False)
    monkeypatch.setattr(toolchain, "_cache", lambda: tmp_path / ".cache")  # no Node of the wheel either
    return tmp_path


def install_wrangler(checkout: Path) -> None:
    script = checkout / "node_modules" / "wrangler" / "bin" / "wrangler.js"
    script.parent.mkdir(parents=True)
    script.touch()


def install_node(checkout: Path, version: str) -> None:
    node = checkout / "bin" / "node"
    node.write_text(f"#!/bin/sh\necho v{version}\n", "utf-8")
    node.chmod(0o755)


def test_wrangler_that_is_not_there_is_to_be_installed(checkout: Path) -> None:
    install_node(checkout, "22.1.0")
    assert find_wrangler(checkout) is None
    assert why_no_wrangler(checkout) == ("wrangler is not installed", "run `npm ci`")


@pytest.mark.parametrize(("version", "here"), [("20.20.2", "20.20.2 is here"), ("", "and none is here")])
def test_wrangler_without_its_node_is_not_told_to_be_installed_again(
    checkout: Path, version: str, here: str
) -> None:
    install_wrangler(checkout)
    if version:
        install_node(checkout, version)
    assert find_wrangler(checkout) is None
    assert why_no_wrangler(checkout) == (f"wrangler needs Node 22.0.0, {here}", "install a newer Node")


def test_wrangler_runs_where_both_are_there(checkout: Path) -> None:
    install_wrangler(checkout)
    install_node(checkout, "22.1.0")
    found = find_wrangler(checkout)
    assert found is not None
    assert found.command[0] == str(checkout / "bin" / "node")
