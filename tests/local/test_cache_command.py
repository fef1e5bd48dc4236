from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from local.cli import main
from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import run_in_thread

CHAT = "/v1/chat/completions"


def body(text: str) -> dict[str, object]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}


def ran(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, object]:
    capsys.readouterr()
    assert main(["cache", *argv, "--json"]) == 0
    told: dict[str, object] = json.loads(capsys.readouterr().out)
    return told


def test_a_running_gateway_tells_and_purges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runtime = EmbeddedRuntime(data=tmp_path)
    with run_in_thread(runtime), httpx.Client(base_url=runtime.url, timeout=20) as client:
        headers = {"authorization": f"Bearer {runtime.issuer.valid(tenant='acme')}"}
        where = ("--url", runtime.url, "--token", runtime.issuer.valid(scope="admin"))

        def outcome() -> str:
            return client.post(CHAT, json=body("a"), headers=headers).headers["x-lumigate-cache"]

        assert [outcome(), outcome()] == ["miss", "hit-l1"]
        told = ran(capsys, "stats", *where, "--tenant", "acme")
        assert told["l1"] is not None
        assert ran(capsys, "purge", *where, "--tenant", "acme", "--model", "gpt-4o-mini")["kind"] == "model"
        assert [outcome(), outcome()] == ["miss", "hit-l1"]
        erased = ran(capsys, "purge", *where, "--tenant", "acme", "--erase")
        assert erased["more"] is False
        assert outcome() == "miss"


def test_a_store_at_rest_tells_and_is_purged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def outcomes() -> list[str]:
        runtime = EmbeddedRuntime(data=tmp_path)
        with run_in_thread(runtime), httpx.Client(base_url=runtime.url, timeout=20) as client:
            headers = {"authorization": f"Bearer {runtime.issuer.valid(tenant='acme')}"}
            answers = [client.post(CHAT, json=body(text), headers=headers) for text in "ab"]
            return [answer.headers["x-lumigate-cache"] for answer in answers]

    where = ("--data", str(tmp_path))
    assert outcomes() == ["miss", "miss"]
    told = ran(capsys, "stats", *where, "--tenant", "acme")
    assert isinstance(told["l2"], dict)
    assert told["l2"]["entries"] == 2
    assert outcomes() == ["hit-l2", "hit-l2"]
    ran(capsys, "purge", *where, "--tenant", "acme")
    assert outcomes() == ["miss", "miss"]
    assert ran(capsys, "purge", *where, "--tenant", "acme", "--erase")["erased"] == 4
    assert ran(capsys, "stats", *where)["l3"] == {"entries": 0, "bytes": 0}


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["purge"], "required"),
        (["purge", "--tenant", "a", "--key", "short"], "64 hex digits"),
        (["purge", "--tenant", "a", "--everyone"], "not allowed"),
        (["stats", "--data", "/nowhere/at/all"], "no store"),
    ],
)
def test_what_makes_no_sense_is_said(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", *argv]) != 0
    assert words in capsys.readouterr().err


def test_people_get_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runtime = EmbeddedRuntime(data=tmp_path)
    with run_in_thread(runtime):
        pass
    assert main(["cache", "stats", "--data", str(tmp_path)]) == 0
    assert "entries 0" in capsys.readouterr().out
