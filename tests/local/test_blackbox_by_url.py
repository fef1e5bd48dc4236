"""The black-box suite runs against an address, as it does against a preview, staging or `--runtime workerd`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

from local.toolchain import ROOT
from tests.commands import plain_environ

PART = (
    "tests/blackbox/test_bad_input.py",
    "tests/blackbox/test_cache.py",
    "tests/blackbox/test_openai_client.py",
)
"""Of each kind a file: what is refused, what is kept, what an official client sees."""
WAIT_SECONDS = 300


def _started(folder: Path, events: TextIO) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), *sys.path])
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "local.cli",
            "dev",
            "--port",
            "0",
            "--ephemeral",
            "--json",
            "--latency-ms",
            "0",
        ],
        cwd=folder,
        env=plain_environ(PYTHONPATH=path),
        stdout=events,
        stderr=subprocess.DEVNULL,
    )


def test_what_can_be_asked_of_a_deployment_holds_at_an_address_with_a_token(tmp_path: Path) -> None:
    said = tmp_path / "events.jsonl"  # a file: a pipe that nobody reads would stop the server
    with said.open("w", encoding="utf-8") as events:
        server = _started(tmp_path, events)
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while not (lines := said.read_text("utf-8").splitlines()) and time.monotonic() < deadline:
            time.sleep(0.05)
        ready = json.loads(lines[0])
        suite = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *PART],
            cwd=ROOT,
            env=plain_environ(LUMIGATE_URL=ready["url"], LUMIGATE_TOKEN=ready["token"]),
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_SECONDS,
        )
    finally:
        server.terminate()
        server.wait(WAIT_SECONDS)
    assert suite.returncode == 0, suite.stdout[-3000:]
    found = re.search(r"(\d+) passed, (\d+) skipped", suite.stdout)
    assert found is not None
    assert int(found[1]) > 30
