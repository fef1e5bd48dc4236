"""`lumigate dev --runtime workerd`: what is missing is said in a line; what runs has mocks, an issuer and a token."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cli import main
from local.dev_vars import parse_dev_vars
from local.toolchain import ROOT
from local.workerd import environment_file
from local.wrangler import COMMAND
from tests.commands import plain_environ

WAIT_SECONDS = 60


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what is looked for, and an executable in wrangler's place."""
    (tmp_path / "wrangler.toml").write_text("", "utf-8")
    (tmp_path / "python_modules").mkdir()
    script = Path(__file__).with_name("fake_workerd.py")
    executable = tmp_path / "wrangler"
    executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n', "utf-8")
    executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
    return tmp_path


@pytest.fixture
def dev(checkout: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `lumigate dev --runtime workerd` in the checkout."""
    started: list[subprocess.Popen[str]] = []

    def start(kind: str, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT), *sys.path])
        more = {COMMAND: str(checkout / "wrangler"), **environ}
        process = subprocess.Popen(
            [sys.executable, "-m", "local.cli", "dev", "--runtime", "workerd", *arguments],
            cwd=checkout,
            env=plain_environ(PYTHONPATH=path, FAKE_WORKERD=kind, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()  # not killed: it must end what it started
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()
        # What it started may hold its pipes for longer than it lives: nobody waits for that.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=5)


def told(process: subprocess.Popen[str]) -> tuple[str, str, dict[str, Any]]:
    """Address and token that it greets with, and what the stand-in was given."""
    assert process.stdout is not None
    watchdog = threading.Timer(WAIT_SECONDS, process.kill)
    watchdog.daemon = True
    watchdog.start()
    for line in process.stdout:
        if found := re.match(r"LUMIGATE_URL=(\S+) LUMIGATE_TOKEN=(\S+) uv run pytest tests/blackbox", line):
            watchdog.cancel()
            return found[1], found[2], httpx.get(f"{found[1]}/health", trust_env=False).json()
    raise AssertionError(process.stderr.read() if process.stderr else "")


def test_it_greets_with_the_address_and_ends_with_a_signal(dev: Callable[..., subprocess.Popen[str]]) -> None:
    process = dev("ready", "--port", "0", "--ephemeral", OTEL_SERVICE_NAME="mine", OPENAI_API_KEY="sk-$ecret")
    url, token, given = told(process)
    assert token.count(".") == 2
    settings = given["settings"]
    assert settings["OTEL_SERVICE_NAME"] == "mine"
    assert settings["OPENAI_API_KEY"] == r"sk-\$ecret"
    assert "OPENAI_BASE_URL" not in settings, "a key of one's own goes to the provider's own address"
    assert "gpt-5-mini" in json.loads(settings["MODELS"])
    assert "PATH" not in settings
    assert given["mode"] == "0o600"
    assert "ecret" not in " ".join(given["arguments"])
    assert httpx.get(settings["JWKS_URL"], trust_env=False).json()["keys"], "the issuer stands beside it"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0
    assert "│" not in err, "the list of modules is left out"
    assert "ecret" not in out + err
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_a_provider_of_the_developers_own_has_its_key_there_too(
    dev: Callable[..., subprocess.Popen[str]],
) -> None:
    """The name of that setting is in another setting."""
    providers = json.dumps({"vllm": {"base_url": "http://127.0.0.1:9/v1"}})
    _, _, given = told(
        dev("ready", "--port", "0", "--ephemeral", PROVIDERS=providers, VLLM_API_KEY="of-vllm")
    )
    assert given["settings"]["VLLM_API_KEY"] == "of-vllm"


def test_the_key_of_the_issuer_is_kept_in_the_data_folder(
    dev: Callable[..., subprocess.Popen[str]], checkout: Path
) -> None:
    process = dev("ready", "--port", "0", "--data", "state")
    _, _, given = told(process)
    assert given["arguments"][given["arguments"].index("--persist-to") + 1] == str(
        checkout / "state" / "workerd"
    )
    assert (checkout / "state" / "issuer.pem").stat().st_mode & 0o777 == 0o600


def test_a_runtime_that_cannot_be_downloaded_is_one_plain_line(
    dev: Callable[..., subprocess.Popen[str]],
) -> None:
    process = dev("pyodide", "--ephemeral")
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    (line,) = [line for line in err.splitlines() if line.startswith("lumigate dev: ")]
    assert "downloads its Python (Pyodide)" in line
    assert "`uv run lumigate dev`" in line


def test_a_wrangler_that_dies_is_told_with_its_code(dev: Callable[..., subprocess.Popen[str]]) -> None:
    process = dev("dies", "--ephemeral")
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    assert "a reason of its own" in err
    assert "(code 7)" in err.splitlines()[-1]


def test_traffic_spends_no_money_here_either(dev: Callable[..., subprocess.Popen[str]]) -> None:
    process = dev("ready", "--traffic", "5", OPENAI_API_KEY="sk-theirs")
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    assert "--mock" in err


def test_what_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(COMMAND, raising=False)
    assert main(["dev", "--runtime", "workerd"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(words in error for words in ("wrangler.toml", "npm ci", "lumigate bundle"))


def test_a_taken_port_is_said(checkout: Path, dev: Callable[..., subprocess.Popen[str]]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as holder:
        process = dev("ready", "--ephemeral", "--port", str(holder.getsockname()[1]))
        _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    assert "--port" in err.splitlines()[-1]


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z][A-Z_]{0,8}", fullmatch=True), st.text("ab =#'\"`\n{}:,.é", max_size=30)
    )
)
def test_an_environment_file_holds_what_was_put_in_or_says_what_it_cannot(settings: dict[str, str]) -> None:
    impossible = [name for name, value in settings.items() if all(quote in value for quote in "'`\"")]
    if impossible:
        with pytest.raises(ValueError, match=f"^({'|'.join(impossible)})"):
            environment_file(settings)
    else:
        assert parse_dev_vars(environment_file(settings)) == settings


def test_a_dollar_is_no_variable() -> None:
    assert environment_file({"A": "a$HOME"}) == "A='a\\$HOME'\n"
