from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.cli import main
from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import run_in_thread
from lumigate.auth.api_key import read_id


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedRuntime]:
    """A gateway on this machine whose data are in `.lumigate` of the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LUMIGATE_TOKEN", raising=False)
    monkeypatch.delenv("API_KEY_PEPPER", raising=False)
    settings = {"API_KEY_CACHE_SECONDS": "0", "OTEL_SDK_DISABLED": "true"}
    runtime = EmbeddedRuntime(settings, data=tmp_path / ".lumigate")
    with run_in_thread(runtime):
        yield runtime


def keys(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["keys", *arguments, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def status(gateway: EmbeddedRuntime, key: str) -> int:
    return httpx.get(f"{gateway.url}/v1/models", headers={"authorization": f"Bearer {key}"}).status_code


@pytest.mark.parametrize("remote", [False, True], ids=["here", "by its admin routes"])
def test_the_life_of_a_key(
    gateway: EmbeddedRuntime,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    remote: bool,
) -> None:
    where = ("--url", gateway.url) if remote else ()
    monkeypatch.setenv("LUMIGATE_TOKEN", gateway.issuer.valid(scope="admin"))
    made = keys(
        capsys, "create", "--tenant", "acme", "--name", "ci", "--scope", "chat", "--scope", "x", *where
    )
    assert read_id(made["key"]) == made["id"]
    assert (made["tenant"], made["scopes"]) == ("acme", ["chat", "x"])
    assert status(gateway, made["key"]) == 200

    rotated = keys(capsys, "rotate", made["id"], "--overlap", "1h", *where)
    assert [status(gateway, key) for key in (made["key"], rotated["key"])] == [200, 200]
    assert rotated["replaces"]["id"] == made["id"]

    assert keys(capsys, "revoke", made["id"], *where)["state"] == "revoked"
    assert [status(gateway, key) for key in (made["key"], rotated["key"])] == [401, 200]

    listed = keys(capsys, "list", *where)
    assert {key["id"]: key["state"] for key in listed} == {made["id"]: "revoked", rotated["id"]: "active"}
    assert "key" not in listed[0]


def test_a_key_is_alone_on_standard_output_so_that_it_can_be_piped(
    gateway: EmbeddedRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "create", "--tenant", "acme"]) == 0
    captured = capsys.readouterr()
    key = captured.out.strip()
    assert read_id(key) is not None
    assert "not shown again" in captured.err
    assert key not in captured.err
    assert main(["keys", "list"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "tenant", "name", "state", "expires", "scopes"]
    assert row.split()[1:4] == ["acme", "unnamed", "active"]
    assert key not in row


def test_what_a_gateway_refuses_is_told_in_its_words(
    gateway: EmbeddedRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    ordinary = gateway.issuer.valid()
    assert main(["keys", "list", "--url", gateway.url, "--token", ordinary]) == 1
    said = capsys.readouterr().err
    assert "403" in said
    assert "admin" in said
    assert main(["keys", "list", "--url", gateway.url]) == 1
    assert "LUMIGATE_TOKEN" in capsys.readouterr().err
    for action in ("revoke", "rotate"):
        assert main(["keys", action, "a" * 12]) == 1
        assert "a" * 12 in capsys.readouterr().err


def test_where_nobody_listens_or_somebody_else_does_it_says_so(
    gateway: EmbeddedRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "list", "--url", "http://127.0.0.1:9", "--token", "x"]) == 1
    assert "cannot be reached" in capsys.readouterr().err
    # The provider behind the gateway answers, but is no gateway.
    assert main(["keys", "list", "--url", gateway.upstream.base_url, "--token", "x"]) == 1
    assert capsys.readouterr().err.startswith("lumigate keys: ")


def test_where_no_gateway_ever_ran_there_is_nothing_to_make_a_key_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["keys", "create", "--tenant", "acme"]) == 1
    assert "lumigate dev" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_pepper_that_the_gateway_would_refuse_makes_no_keys(
    gateway: EmbeddedRuntime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("API_KEY_PEPPER", "short")
    assert main(["keys", "create", "--tenant", "acme"]) == 1
    assert "API_KEY_PEPPER" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["keys"], "ACTION"),
        (["keys", "make"], "invalid choice"),
        (["keys", "create"], "--tenant"),
        (["keys", "create", "--tenant", " "], "1 to 96"),
        (["keys", "create", "--tenant", "a", "--expires", "soon"], "90d"),
        (["keys", "create", "--tenant", "a", "--expires", "1s"], "minute"),
        (["keys", "create", "--tenant", "a", "--scope", "two words"], "not a scope"),
        (["keys", "revoke", "../x"], "not the id"),
        (["keys", "list", "--url", "localhost"], "not an http or https URL"),
        (["keys", "list", "--url", "http://x", "--data", "y"], "not allowed with"),
    ],
)
def test_what_is_not_understood_is_one_clear_line(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert words in captured.err
