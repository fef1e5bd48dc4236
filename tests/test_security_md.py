"""Every test that SECURITY.md names exists, every part of STRIDE is there, and what it says of settings is so."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))
STRIDE = (
    "Spoofing",
    "Tampering",
    "Repudiation",
    "Information disclosure",
    "Denial of service",
    "Elevation of privilege",
)


@cache
def named_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def rows() -> list[tuple[str, str]]:
    """Each threat with what shows its control."""
    part = TEXT.partition("## Threats, controls")[2].partition("\n## ")[0]
    found = [line.strip("|").split(" | ") for line in part.splitlines() if line.startswith("| ")]
    return [(cells[0].strip(), cells[-1]) for cells in found if cells[0].strip() not in ("threat", "---")]


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    assert name in named_in(path)


def test_every_threat_names_a_test_and_every_mention_of_one_is_checked() -> None:
    assert len(rows()) > 25
    assert [threat for threat, shown in rows() if not re.search(r"`tests/[\w/]+\.py::\w+`", shown)] == []
    assert len(re.findall(r"`tests/", TEXT)) == len(re.findall(r"`tests/[\w/]+\.py::\w+`", TEXT))


def test_every_part_of_stride_is_there_in_order() -> None:
    assert tuple(re.findall(r"^### (.+)$", TEXT, re.MULTILINE)) == STRIDE


def test_what_is_not_defended_is_said() -> None:
    assert TEXT.partition("## What is not defended")[2].count("\n- ") >= 8


def test_settings_that_are_named_are_settings() -> None:
    described = (ROOT / "docs/settings.md").read_text("utf-8")
    names = set(re.findall(r"`([A-Z][A-Z_]{4,})`", TEXT))
    assert names
    assert sorted(name for name in names if f"`{name}`" not in described) == []


def test_the_steps_of_ci_that_are_named_are_steps_of_ci() -> None:
    steps = (ROOT / ".ci/run").read_text("utf-8")
    commands = re.findall(r"`uv run (lumigate [^`]+)`, in CI", TEXT)
    assert len(commands) >= 2
    assert [command for command in commands if command not in steps] == []
