"""The code in an answer, its versions, and what a model is told of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.sessions.rig import FIRST, SECOND, Rig
from tests.fakes import WITH_KEY, whole_body


async def test_a_message_is_answered_with_the_code_in_it_and_what_it_changed(rig: Rig) -> None:
    rig.answers(FIRST, SECOND)
    session = await rig.begin(system="Be brief.")
    _, first = await rig.say(session, "Write it.")
    assert first["answer"] == FIRST
    assert first["blocks"] == [
        {"language": "python", "file": "main.py", "text": "x = 1\ny = 2\n", "closed": True}
    ]
    assert (first["turn"], first["version"], first["diff_from"], first["changed"]) == (1, 1, None, True)
    status, second = await rig.say(session, "Change it.")
    assert status == 200
    assert second["diff"] == "--- a/main.py\n+++ b/main.py\n@@ -1,2 +1,2 @@\n x = 1\n-y = 2\n+y = 3\n"
    assert (second["code"]["file"], second["code"]["version"], second["diff_from"]) == ("main.py", 2, 1)
    assert second["usage"] == {"input_tokens": 1000, "output_tokens": 500, "cost_usd": pytest.approx(0.00045)}
    assert [m["role"] for m in rig.asked()] == ["system", "user", "assistant", "user"]


async def test_the_code_that_is_sent_is_a_version_and_what_the_answer_is_compared_with(rig: Rig) -> None:
    rig.answers(SECOND)
    session = await rig.begin()
    _, told = await rig.say(session, code={"text": "x = 1\n", "language": "Python", "file": "a.py"})
    assert "```python a.py\nx = 1\n```" in rig.asked()[-1]["content"]
    assert (told["diff_from"], told["version"], told["lines_added"]) == (1, 2, 1)
    _, code = await rig.send("GET", f"/sessions/{session}/code")
    assert (code["version"], code["text"], code["versions"]) == (2, "x = 1\ny = 3\n", [1, 2])
    response = await rig.under.send("GET", f"/sessions/{session}/code", body=b"")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "named", [{"language": "py", "file": "a.py"}, {"file": "a.py"}, {"language": "PYTHON3", "file": "a.py"}]
)
async def test_code_is_the_same_file_however_its_language_was_named(rig: Rig, named: dict[str, str]) -> None:
    rig.answers(SECOND)
    _, told = await rig.say(await rig.begin(), code={"text": "x = 1\r\n", **named})
    assert (told["code"]["language"], told["code"]["file"]) == ("python", "a.py")
    assert told["diff"] == "--- a/a.py\n+++ b/a.py\n@@ -1 +1,2 @@\n x = 1\r\n+y = 3\r\n"


async def test_an_answer_without_code_is_no_error(rig: Rig) -> None:
    rig.answers("Why?", FIRST, "Because.")
    session = await rig.begin()
    _, told = await rig.say(session)
    assert (told["blocks"], told["code"], told["diff"], told["changed"]) == ([], None, "", False)
    assert (await rig.send("GET", f"/sessions/{session}/code"))[0] == 404
    await rig.say(session)
    _, told = await rig.say(session)
    assert (told["code"]["version"], told["changed"], told["diff"]) == (1, False, "")


async def test_an_older_version_is_read_by_its_number(rig: Rig) -> None:
    rig.answers(FIRST, SECOND)
    session = await rig.begin()
    await rig.say(session)
    await rig.say(session)
    for number, last_line in ((1, "y = 2"), (2, "y = 3")):
        response = await rig.under.gateway.handle(
            _get(f"/sessions/{session}/code", f"version={number}"), rig.ports
        )
        assert last_line in json.loads(await whole_body(response))["text"]
    for query, status in (("version=3", 404), ("version=0", 400), ("version=x", 400), ("version=", 400)):
        response = await rig.under.gateway.handle(_get(f"/sessions/{session}/code", query), rig.ports)
        assert response.status == status


async def test_what_does_not_fit_is_let_go_but_for_the_system_prompt_and_the_code() -> None:
    rig = Rig(SESSION_HISTORY_TURNS="1")
    rig.answers(FIRST, "Yes.", "No.")
    session = await rig.begin(system="Be brief.")
    for question in ("one", "two", "three"):
        await rig.say(session, question)
    told = rig.asked()
    assert [m["content"].split("\n")[0] for m in told] == ["Be brief.", "two", "Yes.", "three"]
    assert "y = 2" in told[-1]["content"]
    _, shown = await rig.send("GET", f"/sessions/{session}")
    assert (shown["turns_committed"], [turn["turn"] for turn in shown["turns"]]) == (3, [3])
    assert rig.under.observed.total("lumigate.session.turns_dropped") == 2


def _get(path: str, query: str) -> Any:
    from dataclasses import replace

    from tests.fakes import make_request

    return replace(make_request("GET", path, headers=WITH_KEY), query=query)
