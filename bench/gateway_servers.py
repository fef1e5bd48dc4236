"""The gateways of the benchmark as processes: each is started as its makers say, with one worker, before one mock.

The rivals are installed on first use into `.cache/bench-gateway/`, at fixed versions: LiteLLM from wheels only and none
younger than `LITELLM_BEFORE`, since releases of it have been malicious; Portkey's without install scripts. Both get an
environment of their own, in which there is nothing to steal.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bench.gateway_upstream import MODEL
from local.exclusive import exclusive
from local.toolchain import ROOT, ToolchainMissing, node, npm

LITELLM = "1.105.3"
LITELLM_BEFORE = "2026-10-22T00:00:00Z"
PORTKEY = "1.15.2"
PORTKEY_SERVER = "1.12.2"
"""Of `@hono/node-server`: with newer ones that Portkey's own range admits, each of its streams is a 500."""

_KEY = "sk-bench"
_START_SECONDS = 90.0
_INSTALL_SECONDS = 900


class Unavailable(Exception):
    """A server could not be had; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One that answers at `url`; `headers` are what a request needs."""

    name: str
    url: str
    pid: int
    headers: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def upstream() -> Iterator[Server]:
    """The mock that stands behind all of them."""
    command = [sys.executable, "-m", "bench.gateway_upstream"]
    with subprocess.Popen(
        command, cwd=ROOT, env=_ours(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = json.loads(process.stdout.readline())["port"]
            yield Server(name="mock", url=f"http://127.0.0.1:{port}", pid=process.pid)
        finally:
            process.stdin.close()


@contextlib.contextmanager
def lumigate(mock: Server) -> Iterator[Server]:
    """`lumigate dev`, with a token, the cache and every signal of its telemetry exported."""
    command = "import sys; from local.cli import main; sys.exit(main())"
    arguments = ["dev", "--ephemeral", "--json", "--port", "0", "--otlp", mock.url]
    settings = {"OPENAI_BASE_URL": f"{mock.url}/v1", "OPENAI_API_KEY": _KEY}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryDirectory() as folder:
        process = _start([sys.executable, "-c", command, *arguments], folder, {**_ours(), **settings}, output)
        with _stopped(process):
            line = _wait("Lumigate", process, output, lambda: _ready_line(output))
            ready = json.loads(line)
            yield Server(
                name="Lumigate",
                url=ready["url"],
                pid=process.pid,
                headers={"authorization": f"Bearer {ready['token']}"},
            )


@contextlib.contextmanager
def litellm(mock: Server) -> Iterator[Server]:
    """LiteLLM's proxy with a master key, without a database. Raises `Unavailable`."""
    executable, port = _litellm(), _free_port()
    route = {
        "model_name": MODEL,
        "litellm_params": {"model": f"openai/{MODEL}", "api_base": f"{mock.url}/v1", "api_key": _KEY},
    }
    config = {
        "model_list": [route],
        "general_settings": {"master_key": _KEY},
        "litellm_settings": {"telemetry": False},
    }
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(json.dumps(config), encoding="utf-8")  # YAML is a superset
        address = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
        environ = _theirs(folder) | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        process = _start([str(executable), "--config", str(path), *address], folder, environ, output)
        with _stopped(process):
            url = f"http://127.0.0.1:{port}"
            _wait("LiteLLM", process, output, lambda: _answers(f"{url}/health/liveliness"))
            yield Server(
                name="LiteLLM", url=url, pid=process.pid, headers={"authorization": f"Bearer {_KEY}"}
            )


@contextlib.contextmanager
def portkey(mock: Server) -> Iterator[Server]:
    """Portkey's gateway, which checks nobody and has no telemetry. Raises `Unavailable`."""
    script, port = _portkey(), _free_port()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryDirectory() as folder:
        command = [str(node()), str(script), f"--port={port}", "--headless"]
        process = _start(command, folder, _theirs(folder) | {"NODE_ENV": "production"}, output)
        with _stopped(process):
            url = f"http://127.0.0.1:{port}"
            _wait("Portkey", process, output, lambda: _answers(url))
            headers = {
                "x-portkey-provider": "openai",
                "x-portkey-custom-host": f"{mock.url}/v1",
                "authorization": f"Bearer {_KEY}",
            }
            yield Server(name="Portkey", url=url, pid=process.pid, headers=headers)


def _litellm() -> Path:
    folder = _folder() / "litellm"
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    wanted = f"litellm[proxy]=={LITELLM}"
    with exclusive(_folder() / "litellm.lock"):
        if not _is_made(folder, wanted):
            shutil.rmtree(folder, ignore_errors=True)
            environ = {**os.environ, "VIRTUAL_ENV": str(folder)}
            _install(["uv", "venv", "--quiet", "--python", "3.13", str(folder)], environ)
            limits = ["--only-binary", ":all:", "--exclude-newer", LITELLM_BEFORE]
            _install(["uv", "pip", "install", "--quiet", *limits, wanted], environ)
            _stamp(folder, wanted)
    return binaries / "litellm"


def _portkey() -> Path:
    folder = _folder() / "portkey"
    manifest = json.dumps(
        {
            "private": True,
            "dependencies": {"@portkey-ai/gateway": PORTKEY},
            "overrides": {"@hono/node-server": PORTKEY_SERVER},
        }
    )
    with exclusive(_folder() / "portkey.lock"):
        if not _is_made(folder, manifest):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "package.json").write_text(manifest, encoding="utf-8")
            try:
                command = [*npm(), "install", "--prefix", str(folder)]
            except ToolchainMissing as error:
                raise Unavailable(str(error)) from None
            quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            environ = {"npm_config_cache": str(ROOT / ".cache" / "npm"), **os.environ}
            _install([*command, *quiet], environ)
            _stamp(folder, manifest)
    return folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"


def _folder() -> Path:
    folder = ROOT / ".cache" / "bench-gateway"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_made(folder: Path, wanted: str) -> bool:
    stamp = folder.with_suffix(".stamp")
    return folder.is_dir() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted


def _stamp(folder: Path, wanted: str) -> None:
    folder.with_suffix(".stamp").write_text(wanted, encoding="utf-8")


def _install(command: list[str], environ: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(
            command,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_INSTALL_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"`{command[0]}` could not be run: {type(error).__name__}") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"code {done.returncode}"]
        raise Unavailable(f"`{' '.join(command[:3])}` failed: {lines[0]}")


def _ours() -> dict[str, str]:
    """The environment without settings of the developer's that would change what is measured."""
    foreign = ("OTEL_", "JWT_", "JWKS_", "OPENAI_", "MODELS", "CACHE_", "API_KEYS")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def _theirs(home: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": home, "NO_PROXY": "*"}


def _start(
    command: list[str], folder: str, environ: Mapping[str, str], output: IO[str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


@contextlib.contextmanager
def _stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the process with the block, kindly first."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(name: str, process: subprocess.Popen[bytes], output: IO[str], ready: Callable[[], str]) -> str:
    """What `ready` returns once it returns something. Raises `Unavailable` with the server's last words."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if said := ready():
            return said
        time.sleep(0.1)
    words = _said(output).strip().splitlines()[-1:] or ["it said nothing"]
    raise Unavailable(f"{name} did not start: {words[0]}")


def _ready_line(output: IO[str]) -> str:
    lines = _said(output).split("\n")[:-1]
    return next((line for line in lines if line.startswith('{"event": "ready"')), "")


def _said(output: IO[str]) -> str:
    """The first words of a process; its own place in the file is left alone."""
    return os.pread(output.fileno(), 65536, 0).decode("utf-8", "replace")


def _answers(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 # the address is of this machine
            return "yes"
    except urllib.error.HTTPError:
        return "yes"
    except OSError:
        return ""


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
