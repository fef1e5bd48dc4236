"""The field's own linters find nothing in the workflows and the scripts, without a network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.toolchain import ROOT
from tests.github.test_workflows import GITHUB, scripts

SHELL_SCRIPTS = [ROOT / ".ci" / "run"]


def tool(name: str) -> str:
    """A program of the locked environment."""
    return str(Path(sys.executable).with_name(name))


def lint(*command: str, stdin: str | None = None) -> None:
    done = subprocess.run(
        command, cwd=ROOT, input=stdin, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def shellcheck(*arguments: str, stdin: str | None = None) -> None:
    lint(tool("shellcheck"), "--norc", "--shell=bash", "--severity=style", *arguments, stdin=stdin)


def zizmor(folder: Path) -> None:
    """All but «has no name»: a job's id is its name."""
    lint(
        tool("zizmor"), "--offline", "--no-progress", "--persona=pedantic", "--min-severity=low", str(folder)
    )


def test_zizmor_finds_nothing_that_endangers_the_workflows() -> None:
    zizmor(GITHUB)


def test_zizmor_would_find_a_title_pasted_into_a_script(tmp_path: Path) -> None:
    shutil.copytree(GITHUB, tmp_path / ".github")
    path = tmp_path / ".github" / "workflows" / "checks.yaml"
    text = path.read_text("utf-8")
    path.write_text(
        text.replace("run: uv run mypy", 'run: echo "${{ github.event.pull_request.title }}"'), "utf-8"
    )
    with pytest.raises(AssertionError, match="template-injection"):
        zizmor(tmp_path / ".github")


@pytest.mark.parametrize("path", SHELL_SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_shellcheck_finds_nothing_in_a_script(path: Path) -> None:
    shellcheck(str(path))


def test_no_shell_script_is_left_out() -> None:
    if (git := shutil.which("git")) is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout of git")
    listed = subprocess.run(
        [git, "grep", "-lIE", "^#!.*[/ ](ba|da|z|k)?sh( |$)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert {ROOT / name for name in listed.stdout.splitlines()} == set(SHELL_SCRIPTS)


@pytest.mark.parametrize(("path", "script"), scripts())
def test_shellcheck_finds_nothing_in_a_step(path: str, script: str) -> None:
    shellcheck("-", stdin=script)


def test_shellcheck_would_find_an_unquoted_variable() -> None:
    with pytest.raises(AssertionError, match="SC2086"):
        shellcheck("-", stdin='tag="a b"\necho $tag')


def test_actionlint_finds_nothing() -> None:
    """Where it is installed (`go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12`); the lint job runs it."""
    if (program := shutil.which("actionlint")) is None:
        pytest.skip("actionlint is not installed")
    lint(program, "-no-color", "-shellcheck", tool("shellcheck"))
