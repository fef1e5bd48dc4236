"""The workflows do what they may, with what is pinned, and call what exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.cli import main
from local.toolchain import ROOT
from tests.commands import is_understood, lumigate_calls, parse

GITHUB = ROOT / ".github"
FILES = sorted([*GITHUB.glob("workflows/*.y*ml"), *GITHUB.glob("actions/*/action.y*ml")])
WORKFLOWS = [path for path in FILES if path.parent.name == "workflows"]
STAND_INS = {"NUMBER": "7", "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567"}
"""For the variables that GitHub, or the workflow, sets."""


def named(path: Path) -> str:
    return path.relative_to(GITHUB).as_posix()


def content(path: Path) -> dict[str, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return {
        ("on" if key is True else str(key)): value for key, value in loaded.items()
    }  # YAML 1.1: on is true


def steps(path: Path) -> Iterator[dict[str, Any]]:
    loaded = content(path)
    for job in loaded.get("jobs", {}).values():
        yield from job["steps"]
    yield from loaded.get("runs", {}).get("steps", [])


def scripts() -> list[tuple[str, str]]:
    return [(named(path), step["run"]) for path in FILES for step in steps(path) if "run" in step]


def calls() -> list[list[str]]:
    """Every call of our command line, with stand-ins for the variables."""
    found = []
    for _, script in scripts():
        filled = script
        for name, value in STAND_INS.items():
            filled = re.sub(rf"\$\{{?{name}\b\}}?", value, filled)
        found += lumigate_calls(filled)
    return found


def test_the_workflows_that_there_should_be_are_there() -> None:
    assert {path.stem for path in WORKFLOWS} == {"checks", "preview", "deploy", "rollout"}


@pytest.mark.parametrize("path", FILES, ids=named)
def test_every_action_is_pinned_to_a_commit_and_says_which_version(path: Path) -> None:
    lines = [
        line.strip() for line in path.read_text("utf-8").splitlines() if re.match(r"\s*(- )?uses:", line)
    ]
    assert lines
    for line in lines:
        reference = line.partition("uses:")[2].strip()
        if reference.startswith("./"):
            assert (ROOT / reference / "action.yaml").is_file()
            continue
        assert re.fullmatch(r"[\w.-]+/[\w.-]+(/[\w.-]+)*@[0-9a-f]{40} # v\d+\.\d+\.\d+", reference), reference


def test_an_action_has_one_digest_everywhere() -> None:
    digests: dict[str, set[str]] = {}
    for path in FILES:
        for step in steps(path):
            name, at, digest = step.get("uses", "").partition("@")
            if at:
                digests.setdefault(name, set()).add(digest)
    assert {name for name, found in digests.items() if len(found) > 1} == set()


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_a_workflow_may_read_and_no_more(path: Path) -> None:
    loaded = content(path)
    assert loaded["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in loaded["jobs"].values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_runs_do_not_pile_up_and_jobs_end(path: Path) -> None:
    loaded = content(path)
    assert loaded["concurrency"]["group"]
    assert all(0 < job["timeout-minutes"] <= 120 for job in loaded["jobs"].values())


def test_a_rollout_is_never_cancelled_by_the_next() -> None:
    assert content(GITHUB / "workflows/deploy.yaml")["concurrency"]["cancel-in-progress"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_code_of_strangers_never_runs_beside_secrets(path: Path) -> None:
    loaded = content(path)
    assert "pull_request_target" not in loaded["on"]
    assert "workflow_run" not in loaded["on"]
    for job in loaded["jobs"].values():
        if "secrets." not in yaml.safe_dump(job):
            continue
        assert "environment" in job, "secrets belong to an environment"
        if "pull_request" in loaded["on"]:
            assert "head.repo.full_name == github.repository" in job["if"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_the_checkout_leaves_no_credentials_behind(path: Path) -> None:
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize(("path", "script"), scripts())
def test_nothing_is_pasted_into_a_script(path: str, script: str) -> None:
    """An expression in a script is code for who wrote a pull request's title; a secret in one is in the log."""
    assert "${{" not in script
    assert not re.search(r"\bset -x\b|\bprintenv\b|^\s*env\s*$", script, re.MULTILINE)
    assert not re.search(r"echo[^\n]*\$\{?\w*(TOKEN|KEY|SECRET|HEADERS|PROMETHEUS_URL)", script)


def test_secrets_are_given_to_single_steps() -> None:
    for path in WORKFLOWS:
        loaded = content(path)
        assert "secrets." not in yaml.safe_dump(loaded.get("env", {}))
        for job in loaded["jobs"].values():
            assert "secrets." not in yaml.safe_dump(job.get("env", {}))
            assert all("secrets." not in yaml.safe_dump(step.get("with", {})) for step in job["steps"])


def test_every_call_of_ours_is_understood() -> None:
    assert len(calls()) > 15
    assert [words for words in calls() if not is_understood(words)] == []


def test_every_variable_in_a_script_is_set() -> None:
    for path in WORKFLOWS:
        loaded = content(path)
        for job in loaded["jobs"].values():
            for step in job["steps"]:
                given = {*loaded.get("env", {}), *job.get("env", {}), *step.get("env", {})}
                script = step.get("run", "")
                local = set(re.findall(r"^\s*(\w+)=", script, re.MULTILINE))
                used = set(re.findall(r"\$\{?(\w+)", script)) - local
                assert {name for name in used - given if not name.startswith("GITHUB_")} == set(), script


def test_every_path_in_a_script_is_there() -> None:
    words = {
        word for _, script in scripts() for word in re.findall(r"(?<=\s)(?:tests|src|local)/[\w./-]+", script)
    }
    assert words
    assert [word for word in words if not (ROOT / word).exists()] == []


def test_production_goes_the_whole_way_in_order() -> None:
    jobs = content(GITHUB / "workflows/deploy.yaml")["jobs"]
    assert jobs["production"]["needs"] == "staging"
    assert jobs["production"]["environment"]["name"] == "production"
    ours = [
        words[:2] for step in jobs["production"]["steps"] for words in lumigate_calls(step.get("run", ""))
    ]
    assert ours == [["bundle"], ["doctor", "--env"], ["rollout", "start"], ["rollout", "abort"]]
    assert "cancelled()" in jobs["production"]["steps"][-1]["if"]
    start = next(words for words in calls() if words[:2] == ["rollout", "start"])
    assert parse(start).steps == (10.0, 50.0, 100.0)


@pytest.mark.parametrize(
    "words", [list(each) for each in sorted({tuple(words) for words in calls()})], ids=" ".join
)
def test_every_call_is_tried(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Those that change something in a dry run, the cheap ones for real; the costly are run by tests of their own."""
    arguments = parse(words)
    if hasattr(arguments, "dry_run"):
        assert main([*words, "--dry-run"]) == 0
        assert "wrangler" in capsys.readouterr().out
    elif words[0] == "doctor":
        assert main(["doctor", "--offline", *(word for word in words[1:] if word != "--offline")]) == 0
    elif words in (["dashboards", "check"], ["slo", "check"]):
        assert main(words) == 0
    elif words[0] == "fuzz":
        assert main(["fuzz", "--cases", "20"]) == 0
    else:
        assert words[0] == "bundle" or words[:2] == ["rollout", "status"]
