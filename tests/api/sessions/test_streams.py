"""Streamed answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.sessions.rig import FIRST, Rig
from tests.fakes import UPSTREAM_URL, WITH_KEY, chunk, event, stream_answer, whole_body
from tests.fakes.gateway import DONE_EVENT


async def test_a_stream_ends_with_what_follows_from_it(rig: Rig) -> None:
    pieces = [event(chunk(text)) for text in ("Here:\n```python\n", "x = 1\n", "```")]
    rig.ports.fetch.script(
        UPSTREAM_URL, stream_answer(*pieces, event(chunk(finish_reason="stop")), DONE_EVENT)
    )
    session = await rig.begin()
    headers = {**WITH_KEY, "idempotency-key": "a"}
    body = {"content": "x", "stream": True}
    path = f"/sessions/{session}/messages"
    events = _events(await whole_body(await rig.under.send("POST", path, body=body, headers=headers)))
    assert "".join(e["text"] for e in events[:-1]) == "Here:\n```python\nx = 1\n```"
    assert (events[-1]["type"], events[-1]["code"]["text"], events[-1]["turn"]) == ("message", "x = 1\n", 1)
    again = _events(await whole_body(await rig.under.send("POST", path, body=body, headers=headers)))
    assert again[-1] == events[-1] | {"replayed": True}
    assert (await rig.send("GET", f"/sessions/{session}/code"))[1]["text"] == "x = 1\n"


async def test_a_refusal_that_is_streamed_is_an_answer(rig: Rig) -> None:
    refused = chunk(choices=[{"index": 0, "delta": {"refusal": "I will not."}, "finish_reason": None}])
    rig.ports.fetch.script(
        UPSTREAM_URL, stream_answer(event(refused), event(chunk(finish_reason="stop")), DONE_EVENT)
    )
    path = f"/sessions/{await rig.begin()}/messages"
    events = _events(
        await whole_body(await rig.under.send("POST", path, body={"content": "x", "stream": True}))
    )
    assert [told.get("text") or told["answer"] for told in events] == ["I will not.", "I will not."]


@pytest.mark.parametrize(
    "pieces",
    [
        [event(chunk("half")), b"data: {"],
        [event(chunk("half")), event({"error": {"message": "overloaded"}})],
        [event(chunk("half")), ConnectionError()],
        [event(chunk("half")), b"data: {oops\n\n", event(chunk("more")), DONE_EVENT],
    ],
    ids=["cut", "failed", "broken", "unreadable"],
)
async def test_a_stream_that_fails_has_never_been(rig: Rig, pieces: list[Any]) -> None:
    rig.ports.fetch.script(UPSTREAM_URL, stream_answer(*pieces))
    session = await rig.begin()
    path = f"/sessions/{session}/messages"
    events = _events(
        await whole_body(await rig.under.send("POST", path, body={"content": "x", "stream": True}))
    )
    assert "error" in events[-1]
    await rig.ports.background.run()
    _, shown = await rig.send("GET", f"/sessions/{session}")
    assert (shown["turns_committed"], shown["turns"]) == (0, [])
    rig.answers("yes")
    assert (await rig.say(session))[0] == 200


async def test_a_stream_longer_than_a_session_keeps_is_not_kept() -> None:
    rig = Rig(SESSION_HISTORY_BYTES="1024")
    rig.ports.fetch.script(
        UPSTREAM_URL, stream_answer(event(chunk("x" * 1025)), event(chunk(finish_reason="stop")), DONE_EVENT)
    )
    session = await rig.begin()
    path = f"/sessions/{session}/messages"
    events = _events(
        await whole_body(await rig.under.send("POST", path, body={"content": "x", "stream": True}))
    )
    assert events[-1]["error"]["code"] == "upstream_bad_answer"
    assert (await rig.send("GET", f"/sessions/{session}"))[1]["turns"] == []


async def test_what_is_asked_of_sessions_is_counted(rig: Rig) -> None:
    rig.answers(FIRST)
    session = await rig.begin()
    for _ in range(2):
        await rig.say(session, headers={"idempotency-key": "a"})
    await rig.send("GET", "/sessions/" + "ses_" + "A" * 43)
    body = {"content": "x", "stream": True}
    rig.ports.fetch.script(UPSTREAM_URL, stream_answer(event(chunk("half"))))
    await whole_body(await rig.under.send("POST", f"/sessions/{session}/messages", body=body))

    def counted(operation: str, result: str = "ok") -> float:
        labels = {"lumigate.session.operation": operation, "lumigate.session.result": result}
        return rig.under.observed.total("lumigate.session.operations", **labels)

    assert (counted("create"), counted("message"), counted("replay")) == (1, 2, 1)
    assert (counted("message", "failed"), counted("read", "not_found")) == (1, 1)
    assert rig.under.observed.total("lumigate.session.wait") == 3


def _events(body: bytes) -> list[dict[str, Any]]:
    data = [line.removeprefix("data: ") for line in body.decode().split("\n\n") if line]
    return [json.loads(one) for one in data if one != "[DONE]"]
