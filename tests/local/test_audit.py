"""A vulnerability fails, an advisory service that is out of reach is said, and a tool that breaks is no such thing."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from local import audit, toolchain

CLEAN = {"dependencies": [{"name": "pydantic", "version": "2.14.3", "vulns": []}], "fixes": []}
FOUND = {
    "dependencies": [
        {
            "name": "aiohttp",
            "version": "3.0.0",
            "vulns": [{"id": "GHSA-1", "fix_versions": ["3.0.1"], "aliases": [], "description": ""}],
        },
        {"name": "x", "skip_reason": "not found"},
    ]
}
OUT_OF_REACH = "error: HTTPSConnectionPool(host='pypi.org', port=443): Name or service not known"


class Tools:
    """Answers of the tools, by the first word of their name that is asked for."""

    def __init__(self, python: Any = CLEAN, npm: Any = None, stderr: str = "") -> None:
        self.python, self.npm, self.stderr = python, npm or {"vulnerabilities": {}}, stderr
        self.asked: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.asked.append(command)
        answer = self.python if "uvx" in command else self.npm if "audit" in command else None
        text = json.dumps(answer) if isinstance(answer, dict) else answer or ""
        return subprocess.CompletedProcess(command, 1 if answer == "" else 0, text, self.stderr)


@pytest.fixture(autouse=True)
def an_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "npm", lambda: ("npm",))


def results(tools: Tools) -> list[str]:
    return [verdict.result for verdict in audit.verdicts(tools)]


def exit_code(tools: Tools, monkeypatch: pytest.MonkeyPatch, *, require: bool = False) -> int:
    monkeypatch.setattr(audit, "_run", tools)
    return audit.run(argparse.Namespace(require=require))


def test_what_nothing_is_known_against_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools()
    assert results(tools) == ["clean", "clean", "clean"]
    assert exit_code(tools, monkeypatch) == 0


def test_a_vulnerability_fails_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(Tools(python=FOUND), monkeypatch) == 1
    assert "aiohttp 3.0.0: GHSA-1 (fixed in 3.0.1)" in capsys.readouterr().out


def test_a_vulnerability_of_a_tool_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exit_code(Tools(npm={"vulnerabilities": {"ws": {"severity": "high"}}}), monkeypatch) == 1


def test_advisories_out_of_reach_are_said_and_fail_only_where_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = Tools(python="", npm={"message": "405 Method Not Allowed"}, stderr=OUT_OF_REACH)
    assert results(tools) == ["unreachable"] * 3
    assert exit_code(tools, monkeypatch) == 0
    assert "unreachable" in capsys.readouterr().out
    assert exit_code(tools, monkeypatch, require=True) == 1


def test_a_tool_that_breaks_is_not_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools(python="", stderr="Traceback: invalid requirements input")
    assert results(tools) == ["broken", "broken", "clean"]
    assert exit_code(tools, monkeypatch) == 1
