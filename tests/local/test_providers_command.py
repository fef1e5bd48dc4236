"""`lumigate providers` against a real embedded gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cli import main
from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import run_in_thread
from tests.ports import free_port


@pytest.fixture(scope="module")
def gateway() -> Iterator[EmbeddedRuntime]:
    runtime = EmbeddedRuntime({"ENVIRONMENT": "test"})
    with run_in_thread(runtime):
        yield runtime


def token(gateway: EmbeddedRuntime) -> str:
    return gateway.issuer.valid(sub="operator", tenant="operators", scope="admin")


def test_a_provider_is_avoided_shown_and_restored(
    gateway: EmbeddedRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--url", gateway.url, "--token", token(gateway)]
    assert main(["providers", "avoid", "openai", "--minutes", "5", *where]) == 0
    said = capsys.readouterr().out
    assert "holds everywhere within" in said
    assert main(["providers", "list", "--json", *where]) == 0
    listed = {entry["provider"]: entry for entry in json.loads(capsys.readouterr().out)["data"]}
    assert listed["openai"]["avoided_until"] is not None
    assert main(["providers", "restore", "openai", *where]) == 0
    assert main(["providers", "list", *where]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines()[-9:] if line.startswith("openai"))
    assert line.split() == ["openai", "-", "closed"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["avoid", "nobody"], "400"),
        (["avoid", "openai", "--token", "wrong"], "401"),
    ],
)
def test_what_the_gateway_refuses_is_said(
    gateway: EmbeddedRuntime, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["providers", arguments[0], "--url", gateway.url, "--token", token(gateway), *arguments[1:]])
        == 1
    )
    assert complaint in capsys.readouterr().err


def test_a_gateway_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert main(["providers", "list", "--url", url, "--token", "t"]) == 1
    assert url in capsys.readouterr().err


def test_without_a_token_it_says_how_to_give_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LUMIGATE_TOKEN", raising=False)
    assert main(["providers", "list", "--data", str(tmp_path)]) == 1
    assert "LUMIGATE_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize("minutes", ["0", "-5", "1441", "x"])
def test_minutes_are_bounded(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "avoid", "openai", "--minutes", minutes]) == 2
    assert "1 to 1440" in capsys.readouterr().err
