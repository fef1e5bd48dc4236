from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path

import pytest

from local import cli
from local.cli import main
from local.mocks.issuer import SigningKey
from local.runtime.embedded import ISSUER_KEY_NAME
from local.toolchain import ROOT


def claims_of(token: str) -> dict[str, object]:
    payload = token.split(".")[1]
    claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return claims


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a dev server leaves it, which is also the current one."""
    monkeypatch.chdir(tmp_path)
    for name in ("JWT_ISSUER", "JWT_AUDIENCE"):
        monkeypatch.delenv(name, raising=False)
    SigningKey.generate().save(tmp_path / ".lumigate" / ISSUER_KEY_NAME)
    return tmp_path / ".lumigate"


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_the_commands(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    text = capsys.readouterr().out
    assert "lumigate dev" in text
    assert "  token " in text


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("dev", "token"):
        assert main([command, "--help"]) == 0
        assert f"usage: lumigate {command}" in capsys.readouterr().out


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("lumigate 0.")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["nonsense"], "no command 'nonsense'"),
        (["token", "--nonsense"], "--nonsense"),
        (["token", "--ttl", "0"], "seconds from 1"),
        (["token", "--claim", "x"], "NAME=VALUE"),
        (["token", "--expired", "--unsigned"], "not allowed with"),
        (["dev", "--port", "70000"], "not a port"),
        (["dev", "--port", "x"], "not a port"),
        (["dev", "--traffic", "0"], "requests a second"),
        (["dev", "--traffic", "nan"], "requests a second"),
        (["dev", "--otlp", "localhost:4318"], "not an http or https URL"),
        (["dev", "--runtime", "deno"], "invalid choice"),
        (["dev", "--data", "x", "--ephemeral"], "not allowed with"),
        (["dev", "--failure-rate", "2"], "share"),
        (["dev", "extra"], "extra"),
    ],
)
def test_what_is_not_understood_is_one_clear_line(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert "--help" in captured.err


def test_asking_for_help_imports_no_command() -> None:
    import subprocess

    code = "import sys, local.cli; local.cli.main(['--help']); print(sorted(m for m in sys.modules if m in"
    code += " ('httpx', 'uvicorn', 'rich', 'pydantic', 'cryptography', 'local.dev')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "argv", [[], ["--version"], ["slo", "--help"], ["rollout", "start", "--dry-run"]], ids=" ".join
)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_output_that_nobody_reads_to_its_end_is_no_fault(argv: list[str], unbuffered: str) -> None:
    """`lumigate … | head`: no traceback, neither from the command nor from the interpreter's end."""
    import subprocess

    with subprocess.Popen(
        [sys.executable, "-m", "local.cli", *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert said == b""
    # argparse itself says nothing of a help text that could not be written.
    assert process.returncode in ((0, 141) if "--help" in argv else (141,))


def test_a_pipe_of_someone_elses_that_breaks_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: list[str]) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(cli, "_run", run)
    with pytest.raises(BrokenPipeError):
        main([])


def test_token_prints_a_token_of_the_dev_servers_key(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            ["token", "--sub", "ann", "--tenant", "globex", "--ttl", "60", "--claim", "n=1", "--claim", "s=x"]
        )
        == 0
    )
    claims = claims_of(capsys.readouterr().out)
    assert (claims["sub"], claims["tenant"], claims["n"], claims["s"]) == ("ann", "globex", 1, "x")
    assert isinstance(claims["exp"], int)
    assert isinstance(claims["iat"], int)
    assert claims["exp"] - claims["iat"] == 60


@pytest.mark.parametrize(
    "flaw",
    [
        "expired",
        "not-yet-valid",
        "foreign-issuer",
        "foreign-audience",
        "unknown-key",
        "forged",
        "unsigned",
        "tampered",
    ],
)
def test_token_makes_each_kind_of_bad_token(
    flaw: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", f"--{flaw}"]) == 0
    assert capsys.readouterr().out.count(".") == 2


def test_token_follows_the_settings_of_the_dev_server(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (data.parent / ".dev.vars").write_text("JWT_ISSUER=https://from-file/\nJWT_AUDIENCE=from-file\n")
    monkeypatch.setenv("JWT_AUDIENCE", "from-environment")
    assert main(["token"]) == 0
    claims = claims_of(capsys.readouterr().out)
    assert (claims["iss"], claims["aud"]) == ("https://from-file/", "from-environment")


def test_token_without_a_dev_server_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["token"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "lumigate dev" in captured.err


def test_token_with_a_broken_key_file_says_so(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / ISSUER_KEY_NAME).write_text("nonsense")
    assert main(["token"]) == 1
    assert "cannot be read as a key" in capsys.readouterr().err
