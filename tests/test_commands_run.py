"""Commands that documents show against a gateway are run as they are shown, against one that is running.

What a reader puts in is put in here: the address, a token, the id of a key that there is. Nothing else is changed.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cli import main
from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import run_in_thread
from local.toolchain import ROOT
from tests.commands import is_understood
from tests.test_commands_shown import STAND_INS, ours

AGAINST_A_GATEWAY = ("keys", "cache", "providers", "export", "forget", "token")
SHOWN = sorted(
    {tuple(words) for _, words, _ in ours() if words[0] in AGAINST_A_GATEWAY and is_understood(words)}
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def gateway(data: Path) -> Iterator[EmbeddedRuntime]:
    runtime = EmbeddedRuntime({"ENVIRONMENT": "test"}, data=data)
    with run_in_thread(runtime):
        yield runtime


@pytest.fixture(scope="module")
def admin(gateway: EmbeddedRuntime) -> str:
    return gateway.issuer.valid(sub="operator", tenant="operators", scope="admin")


def filled(words: tuple[str, ...], gateway: EmbeddedRuntime, admin: str, data: Path) -> list[str]:
    values = {"https://…": gateway.url, STAND_INS["URL"]: gateway.url, "…": admin, ".lumigate": str(data)}
    found = [values.get(word, word) for word in words]
    if words[0] in ("providers", "export", "forget") and "--url" not in words:
        found += ["--url", gateway.url]  # the default is the port of `lumigate dev`
    if "--url" not in found and "--data" not in found:
        found += ["--data", str(data)]
    return found


@pytest.mark.parametrize("words", SHOWN, ids=" ".join)
def test_what_is_shown_against_a_gateway_does_what_it_says(
    words: tuple[str, ...],
    gateway: EmbeddedRuntime,
    admin: str,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LUMIGATE_TOKEN", admin)
    monkeypatch.chdir(data)  # a developer's own `.dev.vars` is no part of this
    call = filled(words, gateway, admin, data)
    if STAND_INS["ID"] in call:
        where = call[call.index("--url") :][:2] if "--url" in call else ["--data", str(data)]
        assert main(["keys", "create", "--tenant", "acme", "--json", *where]) == 0
        key = json.loads(capsys.readouterr().out)
        call = [key["id"] if word == STAND_INS["ID"] else word for word in call]
    assert main(call) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


def curls(document: str) -> list[str]:
    """Each call of curl that a document shows in a block of shell, continued lines and all."""
    text = (ROOT / document).read_text("utf-8")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    return re.findall(r"^curl (?:.*\\\n)*.*$", blocks, re.MULTILINE)


def answer(call: str, **variables: str) -> dict[str, object]:
    """What the shell says to it, with the variables that the document uses."""
    run = subprocess.run(
        ["bash", "-euc", call],  # noqa: S607 - a document's own command
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "no_proxy": "*", **variables},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    told: dict[str, object] = json.loads(run.stdout)
    assert "error" not in told, told
    return told


def test_a_session_goes_as_its_page_shows(gateway: EmbeddedRuntime) -> None:
    token = gateway.issuer.valid(tenant="acme")
    started, message, code, state, removed = curls("docs/sessions.md")
    where = {"URL": gateway.url, "TOKEN": token}
    session = str(answer(started, **where)["id"])
    told = answer(message, **where, ID=session)
    assert told["turn"] == 1
    assert {"answer", "blocks", "code", "diff"} <= told.keys()
    assert answer(message, **where, ID=session)["replayed"] is True
    assert answer(code, **where, ID=session)["text"] == "def f(x): …"
    assert "turns" in answer(state, **where, ID=session)
    assert answer(removed, **where, ID=session)


def test_a_token_is_revoked_as_the_page_shows(gateway: EmbeddedRuntime, admin: str) -> None:
    (call,) = curls("docs/access.md")
    assert answer(call.replace("https://gateway.example", gateway.url), ADMIN=admin)
