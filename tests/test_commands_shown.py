"""Every command that a document shows exists, takes what it is shown with, and, where it costs little, is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cli import main
from local.doctor import code_reads
from local.doctor.environments import DEVELOPMENT, read_environments
from local.toolchain import ROOT
from tests.commands import is_understood, lumigate_calls, parse

DOCUMENTS = sorted(
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "deploy/**/*.md",
        "slo/**/*.md",
        "examples/**/*.md",
        "dashboards/**/*.md",
    )
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # tells what was, in the words of then
)
STAND_INS = {
    "URL": "https://gateway.example.com",
    "ID": "3kTMd8q1ZzWb",
    "TIME": "2026-11-21T10:00",
    "VERSION": "0.1.0",
    "NAME": "openai",
}
"""What a reader puts in."""
ENVIRONMENTS = {each.name for each in read_environments(ROOT)} - {DEVELOPMENT}
FREE = [("doctor", "--offline"), ("rollout", "--dry-run"), ("dashboards", "check"), ("slo", "check")]
"""Commands that are run as they are shown: all the words of one of these must be in it."""


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def shells(path: Path) -> Iterator[tuple[str, bool]]:
    """The shell blocks of a document, and what it says between backticks in passing."""
    text = path.read_text("utf-8")
    for block in re.findall(r"```(?:sh|bash|shell)\n(.*?)```", text, re.DOTALL):
        yield block, False
    for inline in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        yield " ".join(inline.split()), True


def ours() -> list[tuple[str, list[str], bool]]:
    found = []
    for path in DOCUMENTS:
        for shell, in_passing in shells(path):
            if in_passing and not re.match(r"(?:\w+=\S+ )*(?:uv run )?lumigate \w", shell):
                continue
            for words in lumigate_calls(shell):
                filled = [STAND_INS.get(word, word) for word in words]
                if (named(path), filled, in_passing) not in found:
                    found.append((named(path), filled, in_passing))
    return found


def others(program: str) -> list[tuple[str, list[str]]]:
    """The arguments of another program, wherever a document shows it."""
    found = []
    for path in DOCUMENTS:
        for shell, _ in shells(path):
            for line in shell.splitlines():
                for start in re.finditer(rf"(?:^|\s){re.escape(program)} (?=\S)", line):
                    words = shlex.split(line[start.end() :], comments=True)
                    ends = [number for number, word in enumerate(words) if word in ("&&", "|", ">")]
                    found.append((named(path), words[: ends[0]] if ends else words))
    return found


def after(words: list[str], option: str) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words[:-1]) if word == option]


@pytest.mark.parametrize(("document", "words", "in_passing"), ours(), ids=lambda value: str(value)[:60])
def test_every_command_of_ours_is_understood_as_shown(
    document: str, words: list[str], in_passing: bool
) -> None:
    assert is_understood(words, in_passing=in_passing)


@pytest.mark.parametrize(
    "words", [words for _, words, _ in ours() if any(set(each) <= set(words) for each in FREE)]
)
def test_those_that_change_nothing_are_run(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    parse(words)
    assert main(words) == 0
    assert capsys.readouterr().out


def test_the_documents_show_what_there_is_to_run() -> None:
    shown = {words[0] for _, words, _ in ours()}
    assert {"dev", "token", "doctor", "bundle", "rollout", "slo", "dashboards", "keys", "providers"} <= shown
    assert any(words[:2] == ["rollout", "start"] and "--dry-run" in words for _, words, _ in ours())


def test_wrangler_is_shown_with_environments_and_secrets_that_there_are() -> None:
    calls = others("npx wrangler")
    assert len(calls) > 5
    for document, words in calls:
        assert set(after(words, "--env")) <= ENVIRONMENTS, document
        if words[:2] == ["secret", "put"]:
            assert words[2] == "NAME" or code_reads.is_secret(words[2]), f"{document}: {words[2]}"


def test_files_that_commands_name_are_there() -> None:
    paths = [path for _, words in others("docker compose") for path in after(words, "-f")]
    paths += [word for _, words in others("uv run pytest") for word in words if word.startswith("tests/")]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_variables_in_front_of_the_black_box_suite_are_those_that_it_reads() -> None:
    conftest = (ROOT / "tests" / "blackbox" / "conftest.py").read_text("utf-8")
    shown = [shell for path in DOCUMENTS for shell, _ in shells(path) if "pytest tests/blackbox" in shell]
    assert shown
    for shell in shown:
        names = re.findall(r"\b(LUMIGATE_\w+)=", shell)
        assert names
        assert all(f'"{name}"' in conftest for name in names)
