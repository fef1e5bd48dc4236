"""Sessions of the embedded runtime: a restart loses none, and neither does a kill -9 in the middle of writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import run_in_thread
from local.runtime.sealing_key import NAME, sealing_key
from local.runtime.session import LocalSessions
from tests.fakes import FakeClock

WRITER = """
import sys
from pathlib import Path
from local.runtime.clock import AnchoredClock
from local.runtime.session import SqliteSessions
from lumigate.sessions.service import SessionService
from lumigate.sessions.settings import SessionSettings

service = SessionService(
    "s", SqliteSessions(Path(sys.argv[1])), settings=SessionSettings(history_turns=5), clock=AnchoredClock()
)
service.create({"owner": "o", "head": "head"})
turn = service.read({"owner": "o"})["committed"]
while True:
    turn += 1
    granted = service.begin({"owner": "o", "ticket": f"t{turn}", "key": "", "fingerprint": ""})
    if granted["status"] == "busy":  # the turn that the last process died in
        service.abandon({"owner": "o", "ticket": f"t{turn}"})
        continue
    assert granted["turn"] == turn, granted
    service.commit({
        "owner": "o", "ticket": f"t{turn}", "turn": turn, "body": f"{turn}:" + "x" * 200_000,
        "versions": [[turn, f"{turn}:" + "y" * 100_000]], "key": f"k{turn}", "fingerprint": "f", "indexed": False,
    })
    print(turn, flush=True)
"""


def test_a_restart_loses_no_session(tmp_path: Path) -> None:
    headers: dict[str, str] = {}
    path = ""
    for start in range(2):
        with (
            run_in_thread(EmbeddedRuntime(data=tmp_path / "data")) as running,
            httpx.Client(base_url=running.url, timeout=20) as client,
        ):
            headers = {"authorization": f"Bearer {running.runtime.issuer.valid()}"}
            if not path:
                made = client.post("/sessions", json={"model": "gpt-5-mini"}, headers=headers)
                path = made.headers["location"]
            answer = client.post(f"{path}/messages", json={"content": "Some code."}, headers=headers)
            assert answer.json()["turn"] == start + 1
            shown = client.get(path, headers=headers).json()
            assert len(shown["turns"]) == start + 1


def test_a_kill_in_the_middle_of_writes_leaves_the_last_committed_turn(tmp_path: Path) -> None:
    """Three times: what was acknowledged is there, whole, and nothing that is half."""
    path, acknowledged = tmp_path / "sessions.sqlite3", 0
    for wait_seconds in (0.05, 0.11, 0.23):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[3],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
        )
        assert writer.stdout is not None
        first = writer.stdout.readline()
        assert first
        time.sleep(wait_seconds)
        writer.send_signal(signal.SIGKILL)
        lines = [first, *writer.stdout.read().split("\n")]
        writer.wait(timeout=10)
        writer.stdout.close()
        acknowledged = max(int(line) for line in lines if line.strip().isdigit())
        found = _read(path)
        committed = found["committed"]
        assert committed in (acknowledged, acknowledged + 1)  # stored, and not told in time
        kept = range(max(1, committed - 4), committed + 1)
        assert [number for number, _ in found["turns"]] == list(kept)
        assert all(body == f"{number}:" + "x" * 200_000 for number, body in found["turns"])
        assert found["code"] == f"{committed}:" + "y" * 100_000
        _forget_the_lease(path)


async def test_idle_sessions_go_and_others_stay(tmp_path: Path) -> None:
    clock = FakeClock()
    sessions = LocalSessions(tmp_path / "s.sqlite3", {"SESSION_IDLE_SECONDS": "100"}, clock=clock)
    await sessions.get("old").create({"owner": "o", "head": "h"})
    clock.advance(60)
    await sessions.get("new").create({"owner": "o", "head": "h"})
    clock.advance(60)
    assert sessions.expire() == 1
    assert (await sessions.get("old").read({"owner": "o"}))["status"] == "missing"
    assert (await sessions.get("new").read({"owner": "o"}))["status"] == "found"
    await sessions.close()


async def test_the_line_outlives_an_alarm(tmp_path: Path) -> None:
    clock = FakeClock()
    sessions = LocalSessions(tmp_path / "s.sqlite3", {}, clock=clock)
    await sessions.get("s").create({"owner": "o", "head": "h"})
    for ticket in ("first", "second", "third"):
        await sessions.get("s").begin({"owner": "o", "ticket": ticket, "key": "", "fingerprint": ""})
    sessions.expire()
    await sessions.get("s").abandon({"owner": "o", "ticket": "first"})
    for ticket, status in (("third", "busy"), ("second", "granted")):
        message = {"owner": "o", "ticket": ticket, "key": "", "fingerprint": ""}
        assert (await sessions.get("s").begin(message))["status"] == status
    await sessions.close()


def test_the_sealing_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    key = sealing_key(tmp_path)
    assert sealing_key(tmp_path) == key != sealing_key(tmp_path / "other")
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


def _read(path: Path) -> dict[str, Any]:
    script = WRITER.partition("service.create")[0] + (
        'import json\nprint(json.dumps(service.read({"owner": "o"})))'
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _forget_the_lease(path: Path) -> None:
    """As if its time had run out."""
    import sqlite3

    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE sessions SET lease = '', lease_ms = 0")
    connection.close()


@pytest.mark.parametrize("command", ["forget", "export"])
def test_the_commands_reach_a_running_gateway(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    from local.cli import main

    data = tmp_path / "data"
    with (
        run_in_thread(EmbeddedRuntime(data=data)) as running,
        httpx.Client(base_url=running.url, timeout=20) as client,
    ):
        token = running.runtime.issuer.valid(sub="ann", tenant="acme")
        headers = {"authorization": f"Bearer {token}"}
        made = [  # more than a page of an export
            client.post("/sessions", json={"model": "gpt-5-mini"}, headers=headers) for _ in range(7)
        ]
        path = made[-1].headers["location"]
        client.post(f"{path}/messages", json={"content": "Some code."}, headers=headers)
        body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "cached"}]}
        client.post("/v1/chat/completions", json=body, headers=headers)
        where = ["--url", running.url, "--data", str(data)]
        assert main([command, "ann", "--tenant", "acme", *where]) == 0
        out = capsys.readouterr().out
        if command == "export":
            shown = json.loads(out)
            assert len(shown["sessions"]) == 7
            assert "Some code." in out
        else:
            assert "7  sessions" in out
            assert client.get(path, headers=headers).status_code == 404
            again = client.post("/v1/chat/completions", json=body, headers=headers)
            assert again.headers["x-lumigate-cache"] == "miss"
        assert main([command, "ann", "--tenant", "acme", *where, "--token", token]) == 1
        assert "403" in capsys.readouterr().err
    assert main([command, "ann", "--tenant", "acme", "--url", running.url, "--token", "x"]) == 1
    assert "cannot be reached" in capsys.readouterr().err
