"""Sessions through the gateway, over fakes: what goes out, what lies at rest, what telemetry is told."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from lumigate.sessions.ids import object_name
from tests.fakes import (
    UPSTREAM_URL,
    WITH_KEY,
    FakeSessions,
    GatewayUnderTest,
    chunk,
    completion,
    error_of,
    event,
    fake_ports,
    json_answer,
    key_set,
    make_claims,
    make_gateway,
    make_token,
    settle,
    stream_answer,
    whole_body,
)
from tests.fakes.gateway import DONE_EVENT
from tests.fakes.settings import JWKS_URL

KEYS = "k1:" + base64.b64encode(bytes(range(32))).decode()
OTHER_KEYS = "k2:" + base64.b64encode(bytes(32)).decode()
FIRST = "Here:\n```python main.py\nx = 1\ny = 2\n```\n"
SECOND = "Now:\n```python\nx = 1\ny = 3\n```\n"


class Rig:
    """A gateway with sessions, and the answers that the model will give."""

    def __init__(self, **environ: Any) -> None:
        ports = fake_ports()
        self.sessions = ports.sessions = FakeSessions(ports.clock, **environ)
        self.ports = ports
        self.under = self.gateway(SEALING_KEYS=KEYS, **environ)

    def gateway(self, **environ: Any) -> GatewayUnderTest:
        """Another isolate over the same ports."""
        return make_gateway(self.ports, **environ)

    def answers(self, *texts: str) -> None:
        self.ports.fetch.script(UPSTREAM_URL, *(json_answer(completion(text)) for text in texts))

    async def send(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        response = await self.under.send(
            method, path, body=b"" if body is None else body, headers={**WITH_KEY, **headers}
        )
        return response.status, json.loads(await whole_body(response))

    async def begin(self, **body: Any) -> str:
        status, made = await self.send("POST", "/sessions", {"model": "fast", **body})
        assert status == 201
        return str(made["id"])

    async def say(self, session: str, content: str = "Go on.", **more: Any) -> tuple[int, dict[str, Any]]:
        headers = more.pop("headers", {})
        return await self.send(
            "POST", f"/sessions/{session}/messages", {"content": content, **more}, **headers
        )

    def asked(self, number: int = -1) -> list[dict[str, str]]:
        """The messages that the model was sent."""
        messages: list[dict[str, str]] = self.ports.fetch.calls[number].json["messages"]
        return messages


@pytest.fixture
def rig() -> Rig:
    return Rig()


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


# --- whose it is


@pytest.mark.parametrize("whom", [{"tenant": "other"}, {"sub": "other"}])
async def test_someone_elses_session_is_not_there(rig: Rig, whom: dict[str, str]) -> None:
    rig.ports.fetch.script(JWKS_URL, key_set("k1"))
    rig.answers(FIRST)
    mine = {"authorization": f"Bearer {make_token()}"}
    theirs = {"authorization": f"Bearer {make_token(make_claims(**whom))}"}
    _, made = await rig.send("POST", "/sessions", {"model": "fast"}, **mine)
    session = made["id"]
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/code", None),
        ("POST", "/messages", {"content": "x"}),
        ("DELETE", "", None),
    ):
        status, told = await rig.send(method, f"/sessions/{session}{path}", body, **theirs)
        assert (status, told["error"]["code"]) == (404, "session_not_found")
    assert (await rig.send("GET", f"/sessions/{session}", **mine))[0] == 200
    status, told = await rig.send("GET", "/sessions/" + "ses_" + "A" * 43, **mine)
    assert (status, told["error"]["code"]) == (404, "session_not_found")


async def test_what_lies_at_rest_tells_nothing(rig: Rig) -> None:
    rig.answers(FIRST)
    session = await rig.begin(system="secret system")
    await rig.say(
        session, "secret question", code={"text": "secret code"}, headers={"idempotency-key": "hush"}
    )
    rows = rig.sessions.rows()
    for secret in ("secret", "main.py", "hush", session, "acme"):
        assert secret not in rows
    assert object_name(session) in rows


async def test_without_its_key_a_session_is_unreadable_and_a_rotated_key_still_opens_it(rig: Rig) -> None:
    rig.answers(FIRST, FIRST)
    session = await rig.begin()
    await rig.say(session)
    rig.under = rig.gateway(SEALING_KEYS=f"{OTHER_KEYS},{KEYS}")
    assert (await rig.say(session))[0] == 200
    rig.under = rig.gateway(SEALING_KEYS=OTHER_KEYS)
    status, told = await rig.send("GET", f"/sessions/{session}")
    assert (status, told["error"]["code"]) == (503, "session_unreadable")


async def test_without_keys_or_binding_there_are_no_sessions(rig: Rig) -> None:
    rig.under = rig.gateway()
    status, told = await rig.send("POST", "/sessions", {})
    assert (status, told["error"]["code"]) == (503, "sessions_not_configured")
    rig.ports.sessions = None
    rig.under = rig.gateway(SEALING_KEYS=KEYS)
    status, told = await rig.send("POST", "/sessions", {})
    assert (status, told["error"]["code"]) == (503, "sessions_not_configured")


async def test_telemetry_has_the_sessions_public_id_and_never_the_id(rig: Rig) -> None:
    rig.answers(FIRST)
    session = await rig.begin()
    await rig.say(session)
    await rig.send("GET", f"/sessions/{session}/nonsense")
    public = object_name(session)[:16]
    spans = {span.name: dict(span.attributes or {}) for span in rig.under.observed.spans}
    for name in ("POST /sessions/{id}/messages", "session.begin", "session.commit", "chat gpt-4o-mini"):
        assert spans[name]["gen_ai.conversation.id"] == public
    said = [str(span.attributes) + str(span.events) + span.name for span in rig.under.observed.spans]
    assert session not in "".join(said + rig.ports.console.lines)
    assert rig.under.events[-2]["conversation_id"] == public


# --- turns


async def test_two_messages_at_once_are_answered_in_their_order(rig: Rig) -> None:
    rig.answers("one", "two")
    session = await rig.begin()
    tasks = [asyncio.ensure_future(rig.say(session, question)) for question in ("first", "second")]
    (_, one), (_, two) = await asyncio.gather(*tasks)
    assert ((one["turn"], one["answer"]), (two["turn"], two["answer"])) == ((1, "one"), (2, "two"))
    assert [m["content"] for m in rig.asked()] == ["first", "one", "second"]


async def test_who_waits_too_long_is_told_when_to_come_again(rig: Rig) -> None:
    stuck = asyncio.Event()
    rig.ports.fetch.script(UPSTREAM_URL, _slow(stuck))
    rig.answers("two")
    session = await rig.begin()
    first = asyncio.ensure_future(rig.say(session, headers={"idempotency-key": "a"}))
    await settle()
    response = await rig.under.send("POST", f"/sessions/{session}/messages", body={"content": "x"})
    assert (response.status, error_of(response)["code"]) == (409, "session_busy")
    assert response.headers["retry-after"] == "2"
    assert sum(rig.ports.clock.slept) <= 10
    _, told = await rig.say(session, headers={"idempotency-key": "a"})
    assert "This message is still being answered" in told["error"]["message"]
    stuck.set()
    assert (await first)[0] == 200


async def test_a_message_that_is_sent_again_is_not_answered_again(rig: Rig) -> None:
    rig.answers(FIRST, SECOND)
    session = await rig.begin()
    headers = {"idempotency-key": "a"}
    _, first = await rig.say(session, headers=headers)
    await rig.say(session)
    status, again = await rig.say(session, headers=headers)
    assert (status, again) == (200, first | {"replayed": True})
    assert len(rig.ports.fetch.calls) == 2
    status, told = await rig.say(session, "Something else.", headers=headers)
    assert (status, told["error"]["code"]) == (422, "idempotency_key_reused")
    status, told = await rig.say(session, headers={"idempotency-key": "k" * 256})
    assert status == 400


async def test_a_commit_whose_answer_was_lost_is_found_by_its_key(rig: Rig) -> None:
    rig.answers(FIRST)
    session = await rig.begin()
    rig.sessions.faults.append(ConnectionError("gone"))
    status, told = await rig.say(session, headers={"idempotency-key": "a"})
    assert (status, told["error"]["code"]) == (503, "sessions_unavailable")
    await rig.ports.background.run()
    status, told = await rig.say(session, headers={"idempotency-key": "a"})
    assert (status, told["turn"], told["replayed"]) == (200, 1, True)
    assert len(rig.ports.fetch.calls) == 1


async def test_a_turn_that_fails_has_never_been(rig: Rig) -> None:
    rig.ports.fetch.script(UPSTREAM_URL, json_answer({}, 500))
    rig.answers(FIRST)
    session = await rig.begin()
    status, _ = await rig.say(session, code={"text": "lost"})
    assert status == 502
    await rig.ports.background.run()
    _, told = await rig.say(session, "Again.")
    assert (told["turn"], told["diff_from"]) == (1, None)
    assert [m["content"] for m in rig.asked()] == ["Again."]


async def test_a_turn_that_lost_its_lease_is_not_kept(rig: Rig) -> None:
    stuck = asyncio.Event()
    rig.ports.fetch.script(UPSTREAM_URL, _slow(stuck))
    rig.answers("two")
    session = await rig.begin()
    first = asyncio.ensure_future(rig.say(session, "slow"))
    await settle()
    rig.ports.clock.advance(181)
    assert (await rig.say(session, "quick"))[1]["turn"] == 1
    stuck.set()
    status, told = await first
    assert (status, told["error"]["code"]) == (409, "session_turn_lost")
    _, shown = await rig.send("GET", f"/sessions/{session}")
    assert [turn["messages"][0]["content"] for turn in shown["turns"]] == ["quick"]


async def test_a_client_that_leaves_gives_its_turn_back(rig: Rig) -> None:
    from lumigate.http.types import Disconnect

    stuck, gone = asyncio.Event(), Disconnect()
    rig.ports.fetch.script(UPSTREAM_URL, _slow(stuck))
    rig.answers("two")
    session = await rig.begin()
    first = asyncio.ensure_future(
        rig.under.send("POST", f"/sessions/{session}/messages", body={"content": "x"}, disconnect=gone)
    )
    await settle()
    gone.fire()
    await rig.ports.background.run()
    assert (await rig.say(session))[1]["turn"] == 1
    stuck.set()
    await first


async def test_a_session_in_use_stays_in_its_owners_index() -> None:
    rig = Rig(SESSION_IDLE_SECONDS="1000")
    rig.answers(*["Yes."] * 6)
    session = await rig.begin()
    for _ in range(6):
        rig.ports.clock.advance(990)
        assert (await rig.say(session))[0] == 200
        index = rig.sessions.database.execute("SELECT seen_ms FROM subject_sessions")
        assert [seen for (seen,) in index] == [rig.ports.clock.now_ns() // 1_000_000]
    assert rig.under.observed.total("lumigate.session.operations") == 7


# --- streams


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


@pytest.mark.parametrize(
    "pieces",
    [
        [event(chunk("half")), b"data: {"],
        [event(chunk("half")), event({"error": {"message": "overloaded"}})],
        [event(chunk("half")), ConnectionError()],
    ],
    ids=["cut", "failed", "broken"],
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


# --- bad input


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


def _get(path: str, query: str) -> Any:
    from dataclasses import replace

    from tests.fakes import make_request

    return replace(make_request("GET", path, headers=WITH_KEY), query=query)


def _slow(until: asyncio.Event) -> Any:
    from tests.fakes import FakeAnswer

    return FakeAnswer(200, None, [until, json.dumps(completion("one")).encode()])


def _events(body: bytes) -> list[dict[str, Any]]:
    data = [line.removeprefix("data: ") for line in body.decode().split("\n\n") if line]
    return [json.loads(one) for one in data if one != "[DONE]"]
