"""From a clone to the first answer: what a newcomer waits for.

A clone of this checkout's last commit in an empty folder, with an empty environment of its own: `uv sync`, then
`lumigate dev --port 0 --mock`, then a chat completion with a token of `lumigate token`. The packages come from uv's
cache where it has them: from the network it takes what the network takes.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from local.toolchain import ROOT

_URL = re.compile(r"http://127\.0\.0\.1:\d+")
_MOST_SECONDS = 120.0


class NoFirstRequest(Exception):
    """It did not come to an answer; the message says where it stopped."""


def measure() -> list[dict[str, Any]]:
    """Seconds for each part of the way."""
    with tempfile.TemporaryDirectory(prefix="lumigate-clone-") as folder:
        clone = Path(folder) / "lumigate"
        cloned = _timed(["git", "clone", "--quiet", str(ROOT), str(clone)], Path(folder))
        synced = _timed([_uv(), "sync", "--locked", "--quiet"], clone)
        started, answered = _first_answer(clone)
    return [
        {"name": "git clone", "seconds": round(cloned, 2)},
        {"name": "uv sync, packages in the cache", "seconds": round(synced, 2)},
        {"name": "lumigate dev, until it says where it listens", "seconds": round(started, 2)},
        {"name": "and until a chat completion is answered", "seconds": round(answered, 2)},
    ]


def _uv() -> str:
    """The uv that runs us (it says so to what it starts), or the one on the path."""
    return os.environ.get("UV") or shutil.which("uv") or "uv"


def _timed(command: list[str], folder: Path) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise NoFirstRequest(f"{' '.join(command[:2])}: {done.stderr.strip()[-300:]}")
    return time.perf_counter() - started


def _first_answer(clone: Path) -> tuple[float, float]:
    """Until the address is printed, and until a chat completion has come back; both from the start of the command."""
    command = [
        _uv(),
        "run",
        "--no-sync",
        "lumigate",
        "dev",
        "--port",
        "0",
        "--mock",
        "--json",
        "--latency-ms",
        "0",
    ]
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as dev:
        try:
            url = _address(dev)
            listening = time.perf_counter() - started
            token = subprocess.run(
                [_uv(), "run", "--no-sync", "lumigate", "token"],
                cwd=clone, capture_output=True, text=True, check=True, timeout=60,
            ).stdout.strip()  # fmt: skip
            token_seconds = time.perf_counter() - started - listening
            models = httpx.get(f"{url}/v1/models", headers={"authorization": f"Bearer {token}"}, timeout=20)
            body = {
                "model": models.json()["data"][0]["id"],
                "messages": [{"role": "user", "content": "Hello."}],
            }
            answer = httpx.post(
                f"{url}/v1/chat/completions",
                json=body,
                headers={"authorization": f"Bearer {token}"},
                timeout=20,
            )
            if answer.status_code != 200:
                raise NoFirstRequest(f"the gateway answered {answer.status_code}")
            return listening, time.perf_counter() - started - token_seconds
        finally:
            dev.send_signal(signal.SIGINT)
            try:
                dev.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                dev.kill()


def _address(dev: subprocess.Popen[str]) -> str:
    assert dev.stdout is not None
    deadline = time.monotonic() + _MOST_SECONDS
    said = ""
    while time.monotonic() < deadline and (line := dev.stdout.readline()):
        said += line
        if found := _URL.search(line):
            return found.group()
    raise NoFirstRequest(f"it never said where it listens: {said[-300:]}")
