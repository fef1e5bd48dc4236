from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local.mocks.wire import Exchange, WireRequest, WireServer
from local.runtime.development import METRICS_TOKEN
from tests.commands import plain_environ
from tests.slo.programs import wait

CHAT = "/v1/chat/completions"

WAIT_SECONDS = 60
"""For a start or an end that takes a second on a machine that is free."""


class Dev:
    """A `lumigate dev` in another process."""

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.cli", "dev", "--port", "0", *arguments],
            cwd=folder,
            env=plain_environ(PYTHONPATH=os.pathsep.join(sys.path), **environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self, start: str) -> str:
        """The first line of output that begins so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(start):
                return line.rstrip("\n")
        raise AssertionError(self.process.stderr.read() if self.process.stderr else "")

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
        """Send a signal; exit code, and what was said. One that does not end in time is a failure."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=WAIT_SECONDS)
        return self.process.returncode, out, err


@contextlib.contextmanager
def dev(folder: Path, *arguments: str, **environ: str) -> Iterator[Dev]:
    running = Dev(folder, *arguments, **environ)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.communicate()


def failed(folder: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    """Exit code and errors of a `lumigate dev` that is expected to end by itself."""
    running = Dev(folder, *arguments, **environ)
    _, err = running.process.communicate(timeout=WAIT_SECONDS)
    return running.process.returncode, err


def told_by(url: str) -> str:
    """The metrics of a running one."""
    headers = {"authorization": f"Bearer {METRICS_TOKEN}"}
    return httpx.get(f"{url}/metrics", headers=headers, timeout=WAIT_SECONDS).text


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_line_works_when_pasted_and_ctrl_c_ends_cleanly(tmp_path: Path) -> None:
    with dev(tmp_path, "--latency-ms", "0") as running:
        pasted = running.line("curl ")
        answer = json.loads(subprocess.check_output(pasted, shell=True, text=True, timeout=WAIT_SECONDS))  # noqa: S602
        assert "```python" in answer["choices"][0]["message"]["content"]
        code, out, err = running.stop()
    assert (code, err) == (0, "")
    assert "Ended. 1 requests" in out


def test_a_token_from_another_terminal_is_accepted(tmp_path: Path) -> None:
    with dev(tmp_path, "--data", "state", "--latency-ms", "0") as running:
        url = shlex.split(running.line("curl "))[2]
        answers = {}
        for flags in ((), ("--expired",), ("--forged",)):
            token = subprocess.check_output(
                [sys.executable, "-m", "local.cli", "token", "--data", "state", *flags],
                cwd=tmp_path,
                env=plain_environ(PYTHONPATH=os.pathsep.join(sys.path)),
                text=True,
                timeout=WAIT_SECONDS,
            ).strip()
            answers[flags] = httpx.post(
                url,
                headers={"authorization": f"Bearer {token}"},
                json={"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]},
                timeout=WAIT_SECONDS,
            ).status_code
    assert answers == {(): 200, ("--expired",): 401, ("--forged",): 401}
    assert (tmp_path / "state" / "issuer.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_under_traffic_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with dev(tmp_path, "--ephemeral", "--traffic", "50") as running:
        url = shlex.split(running.line("curl "))[2]
        wait(lambda: CHAT in told_by(url.removesuffix(CHAT)), WAIT_SECONDS, "traffic")
        code, out, err = running.stop(number)
    assert (code, err) == (0, "")
    assert "Sent: nothing" not in out
    assert "Sent: " in out
    assert "Unexpected" not in out
    assert not (tmp_path / ".lumigate").exists()


async def test_what_is_buffered_is_exported_at_the_end(tmp_path: Path) -> None:
    paths: list[str] = []

    async def collector(request: WireRequest, exchange: Exchange) -> None:
        paths.append(request.path)
        exchange.respond(200, b"{}")

    def use(url: str) -> int:
        with dev(tmp_path, "--ephemeral", "--json", "--latency-ms", "0", "--otlp", url) as running:
            ready = json.loads(running.line('{"event": "ready"'))
            headers = {"authorization": f"Bearer {ready['token']}"}
            httpx.get(f"{ready['url']}/v1/models", headers=headers, timeout=WAIT_SECONDS)
            assert json.loads(running.line("{"))["event"] == "request"
            return running.stop()[0]

    async with WireServer(collector) as server:
        assert await asyncio.to_thread(use, server.url) == 0
    assert "/v1/traces" in paths


async def test_a_collector_that_never_answers_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async def collector(request: WireRequest, exchange: Exchange) -> None:
        await asyncio.sleep(10 * WAIT_SECONDS)

    def use(url: str) -> int:
        with dev(tmp_path, "--ephemeral", "--json", "--otlp", url) as running:
            ready = json.loads(running.line('{"event": "ready"'))
            headers = {"authorization": f"Bearer {ready['token']}"}
            httpx.get(f"{ready['url']}/v1/models", headers=headers, timeout=WAIT_SECONDS)
            return running.stop()[0]

    async with WireServer(collector) as server:
        assert await asyncio.to_thread(use, server.url) == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_a_collector_that_takes_nothing_is_told_with_what_was_lost(tmp_path: Path) -> None:
    async def collector(request: WireRequest, exchange: Exchange) -> None:
        exchange.respond(503, b"{}")

    def use(url: str) -> str:
        with dev(tmp_path, "--ephemeral", "--latency-ms", "0", "--otlp", url) as running:
            subprocess.check_output(running.line("curl "), shell=True, timeout=WAIT_SECONDS)  # noqa: S602
            code, out, err = running.stop()
        assert (code, err) == (0, "")
        return out

    async with WireServer(collector) as server:
        out = await asyncio.to_thread(use, server.url)
        kept = next(line for line in out.splitlines() if line.startswith("Ended.")).split()[4]
        assert f"Exports to {server.url} failed (HTTP 503): {kept} spans are lost." in out


def test_a_taken_port_is_said_and_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        code, err = failed(tmp_path, "--port", str(port))
    assert code == 1
    assert err.count("\n") == 1
    assert f"port {port} is taken" in err
    assert f"lumigate dev --port {port + 1}" in err
    if sys.platform == "linux":
        assert f"(process {os.getpid()})" in err


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"JWKS_URL": "nonsense"}, "JWKS_URL"),
        ({"MODELS": "{"}, "MODELS"),
        ({"OPENAI_BASE_URL": "nonsense"}, "OPENAI_BASE_URL"),
    ],
)
def test_a_malformed_setting_stops_the_start_with_one_line(
    tmp_path: Path, environ: dict[str, str], words: str
) -> None:
    code, err = failed(tmp_path, **environ)
    assert code == 1
    assert err.count("\n") == 1
    assert words in err


def test_settings_come_from_dev_vars_and_the_environment_wins(tmp_path: Path) -> None:
    models = '{"mine": {"provider": "openai", "model": "gpt-5"}}'
    (tmp_path / ".dev.vars").write_text(f"MODELS='{models}'\nJWT_AUDIENCE=x\n")
    with dev(tmp_path, "--json", "--ephemeral", JWT_AUDIENCE="y") as running:
        ready = json.loads(running.line('{"event": "ready"'))
        headers = {"authorization": f"Bearer {ready['token']}"}
        answer = httpx.get(f"{ready['url']}/v1/models", headers=headers, timeout=WAIT_SECONDS)
        assert [model["id"] for model in answer.json()["data"]] == ["mine"]
        assert '"model": "mine"' in ready["curl"]


def test_a_misspelt_setting_in_dev_vars_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    """And with a provider of the developer's own, whose settings are named by another setting, nothing is."""
    providers = json.dumps({"vllm": {"base_url": "http://127.0.0.1:9/v1"}})
    lines = [
        "CACHE_L2_TTL_SECOND=60",
        "SOMETHING_ELSE=hidden",
        f"PROVIDERS={providers}",
        "VLLM_API_KEY=hidden",
    ]
    (tmp_path / ".dev.vars").write_text("\n".join(lines))
    with dev(tmp_path, "--ephemeral", "--json") as running:
        running.line("{")
        *_, said = running.stop()
    assert said.splitlines() == [
        "lumigate dev: .dev.vars sets CACHE_L2_TTL_SECOND, which nothing reads. "
        "Did you mean CACHE_L2_TTL_SECONDS?",
        "lumigate dev: .dev.vars sets SOMETHING_ELSE, which nothing reads. "
        "Remove it; docs/settings.md lists what is read.",
    ]


def test_an_issuer_of_the_developers_own_is_left_to_make_the_tokens(tmp_path: Path) -> None:
    settings = {
        "JWKS_URL": "https://id.example/keys",
        "JWT_ISSUER": "https://id.example/",
        "JWT_AUDIENCE": "a",
    }
    with dev(tmp_path, "--ephemeral", **settings) as running:
        assert '-H "authorization: Bearer $TOKEN"' in running.line("curl ")
    code, err = failed(tmp_path, "--traffic", "5", **settings)
    assert code == 1
    assert "JWKS_URL" in err


def test_a_data_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "issuer.pem").write_text("nonsense")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "lumigate.sqlite3").write_text("nonsense" * 1000)
    (tmp_path / "file").write_text("")
    for folder, words in (("keys", "issuer.pem"), ("base", "database"), ("file/x", "file/x")):
        code, err = failed(tmp_path, "--data", folder)
        assert (code, err.count("\n")) == (1, 1), err
        assert words in err


@pytest.mark.parametrize("mode", [["--json"], []])
def test_a_reader_that_has_had_enough_ends_it(tmp_path: Path, mode: list[str]) -> None:
    with dev(tmp_path, "--ephemeral", "--traffic", "50", "--latency-ms", "0", *mode) as running:
        running.line('{"event": "ready"' if mode else "curl ")
        assert running.process.stdout is not None
        running.process.stdout.close()
        assert running.process.wait(WAIT_SECONDS) == 0


def test_traffic_spends_no_money_of_the_developer(tmp_path: Path) -> None:
    code, err = failed(tmp_path, "--traffic", "5", OPENAI_API_KEY="sk-theirs")
    assert code == 1
    assert "--mock" in err
    assert "sk-theirs" not in err
