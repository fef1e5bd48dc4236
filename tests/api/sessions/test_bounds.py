"""Bodies that cannot be, and how much and how long a session is kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.sessions.rig import FIRST, Rig


async def test_a_session_needs_no_body(rig: Rig) -> None:
    assert (await rig.send("POST", "/sessions"))[0] == 201


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None),
        ({"content": ""}, "content"),
        ({"content": 1}, "content"),
        ({"content": "x", "messages": [{"role": "user", "content": "y"}]}, None),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "y"}]}, None),
        ({"messages": [{"role": "system", "content": "y"}]}, "messages.0.role"),
        ({"content": "x", "code": "y"}, "code"),
        ({"content": "x", "code": {}}, "code.text"),
        ({"content": "x", "code": {"text": "y", "file": "a\nb"}}, "code.file"),
        ({"content": "x", "code": {"text": "y", "language": "z" * 33}}, "code.language"),
        ({"content": "x", "temperature": 3}, "temperature"),
        ({"content": "x", "stream": "yes"}, "stream"),
        ({"content": "x", "nonsense": 1}, "nonsense"),
        (b'{"content": "\\ud800"}', "content"),
    ],
)
async def test_a_message_that_cannot_be_is_refused(rig: Rig, body: Any, param: str | None) -> None:
    session = await rig.begin()
    status, told = await rig.send("POST", f"/sessions/{session}/messages", body)
    assert (status, told["error"]["code"], told["error"]["param"]) == (400, "invalid_request", param)
    assert rig.ports.fetch.calls == []


async def test_a_model_must_be_named_once_and_exist(rig: Rig) -> None:
    status, told = await rig.send("POST", "/sessions", {"model": "none"})
    assert (status, told["error"]["code"]) == (404, "model_not_found")
    _, made = await rig.send("POST", "/sessions", {})
    status, told = await rig.say(made["id"])
    assert (status, told["error"]["param"]) == (400, "model")
    await rig.ports.background.run()
    rig.answers("yes")
    assert (await rig.say(made["id"], model="fast"))[0] == 200


async def test_what_is_too_large_is_refused_before_it_is_read() -> None:
    rig = Rig(SESSION_MESSAGE_BYTES="2000", SESSION_HISTORY_BYTES="2000")
    session = await rig.begin()
    status, told = await rig.say(session, code={"text": "x" * 2000})
    assert (status, told["error"]["code"]) == (413, "body_too_large")
    rig.answers("y" * 2001)
    status, told = await rig.say(session)
    assert (status, told["error"]["code"]) == (502, "upstream_bad_answer")


async def test_a_subject_has_only_so_many_sessions() -> None:
    rig = Rig(SESSIONS_PER_SUBJECT="2")
    sessions = [await rig.begin() for _ in range(2)]
    status, told = await rig.send("POST", "/sessions", {})
    assert (status, told["error"]["code"]) == (429, "too_many_sessions")
    await rig.send("DELETE", f"/sessions/{sessions[0]}")
    await rig.begin()


async def test_a_session_is_deleted_with_everything(rig: Rig) -> None:
    rig.answers(FIRST)
    session = await rig.begin()
    await rig.say(session)
    status, told = await rig.send("DELETE", f"/sessions/{session}")
    assert (status, told["turns"], told["versions"]) == (200, 1, 1)
    assert (await rig.send("DELETE", f"/sessions/{session}"))[0] == 404
    assert (await rig.say(session))[0] == 404
    assert rig.sessions.rows() == ""


async def test_an_idle_session_is_gone(rig: Rig) -> None:
    session = await rig.begin()
    rig.ports.clock.advance(86_399)
    assert (await rig.send("GET", f"/sessions/{session}"))[0] == 200
    rig.ports.clock.advance(1)
    assert (await rig.send("GET", f"/sessions/{session}"))[0] == 404
