"""Coding sessions with plain HTTP: order, isolation, bounds, and what is left when one is deleted or forgotten."""

from __future__ import annotations

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.blackbox.conftest import PATIENCE, Stage

NO_SUCH_ID = "ses_" + "A" * 43


class Session:
    """One session of a caller."""

    def __init__(self, stage: Stage, http: httpx.Client, **body: Any) -> None:
        self.http = http
        self.headers = stage.headers()
        made = http.post("/sessions", json={"model": "gpt-4o-mini", **body}, headers=self.headers)
        assert made.status_code == 201, made.text
        self.id = made.json()["id"]
        self.path = f"/sessions/{self.id}"
        assert made.headers["location"] == self.path

    def say(self, content: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        return self.http.post(
            f"{self.path}/messages",
            json={"content": content, **more},
            headers=self.headers | (headers or {}),
        )

    def get(self, path: str = "", **parameters: Any) -> httpx.Response:
        return self.http.get(self.path + path, headers=self.headers, params=parameters)


def test_a_session_from_its_beginning_to_its_end(stage: Stage, http: httpx.Client) -> None:
    session = Session(stage, http, system="Be brief.")
    text = "def f():\n    return 1\n"
    answer = session.say("Improve this code.", code={"text": text, "language": "python", "file": "f.py"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-lumigate-cache"] == "bypass"
    told = answer.json()
    assert (told["turn"], told["diff_from"]) == (1, 1)
    if stage.upstream is not None:  # the mock always has code for who mentions it
        assert told["changed"] is True
        assert told["diff"].startswith("--- a/f.py\n+++ b/f.py\n@@ -1,2 +1,3 @@\n")
        assert session.get("/code").json()["text"] == told["code"]["text"] == told["blocks"][0]["text"]
    assert session.get("/code", version=1).json()["text"] == text
    shown = session.get().json()
    assert [turn["answer"] for turn in shown["turns"]] == [told["answer"]]
    assert shown["system"] == "Be brief."
    deleted = http.delete(session.path, headers=session.headers).json()
    assert (deleted["deleted"], deleted["turns"]) == (True, 1)
    assert session.get().status_code == 404
    assert session.say("Anyone?").status_code == 404


def test_an_answer_comes_as_a_stream_and_ends_with_what_follows(staged: Stage, http: httpx.Client) -> None:
    session = Session(staged, http)
    answer = session.say("Stream me some code.", stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    *data, done = [part.removeprefix("data: ") for part in answer.text.split("\n\n") if part]
    assert done == "[DONE]"
    *deltas, last = [json.loads(one) for one in data]
    assert len(deltas) > 5
    assert "".join(delta["text"] for delta in deltas) == last["answer"]
    assert last["code"] == {k: v for k, v in session.get("/code").json().items() if k in last["code"]}
    assert last["diff"].startswith("--- /dev/null\n+++ b/code\n")


def test_messages_at_once_are_answered_one_after_the_other(staged: Stage, http: httpx.Client) -> None:
    """Each answer is to a conversation that holds the ones before it."""
    session = Session(staged, http)
    barrier = threading.Barrier(3)

    def say(number: int) -> dict[str, Any]:
        barrier.wait(PATIENCE)
        answer = session.say(f"[[mock first-byte-ms=150]] question {number}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(say, range(3)))
    assert sorted(one["turn"] for one in told) == [1, 2, 3]
    shown = session.get().json()["turns"]
    assert [turn["turn"] for turn in shown] == [1, 2, 3]
    by_turn = {one["turn"]: one["answer"] for one in told}
    assert [turn["answer"] for turn in shown] == [by_turn[1], by_turn[2], by_turn[3]]
    assert staged.upstream is not None
    asked = [
        json.loads(r.body)["messages"] for r in list(staged.upstream.requests) if b"question 0" in r.body
    ]
    last = max(asked, key=len)
    assert [m["content"] for m in last if m["role"] == "assistant"] == [by_turn[1], by_turn[2]]


def test_a_retried_message_is_not_answered_twice(staged: Stage, http: httpx.Client) -> None:
    session = Session(staged, http)
    headers = {"idempotency-key": str(uuid.uuid4())}
    first = session.say("Once.", headers).json()
    again = session.say("Once.", headers).json()
    assert again == first | {"replayed": True}
    assert session.say("Twice.", headers).status_code == 422
    assert session.get().json()["turns_committed"] == 1


def test_two_at_once_with_one_key_are_one_message(staged: Stage, http: httpx.Client) -> None:
    session = Session(staged, http)
    headers = {"idempotency-key": str(uuid.uuid4())}
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: session.say("[[mock first-byte-ms=150]]", headers).json(), range(2)))
    assert sorted(one["replayed"] for one in both) == [False, True]
    assert session.get().json()["turns_committed"] == 1


@pytest.mark.parametrize("claims", [{"tenant": "blue"}, {"sub": "someone-else"}])
def test_nobody_else_finds_a_session(staged: Stage, http: httpx.Client, claims: dict[str, str]) -> None:
    session = Session(staged, http)
    other = {"authorization": f"Bearer {staged.token(**claims)}"}
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/code", None),
        ("POST", "/messages", {"content": "x"}),
        ("DELETE", "", None),
    ):
        answer = http.request(method, session.path + path, json=body, headers=other)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "session_not_found")
    assert session.get().status_code == 200


def test_nobody_at_all_without_credentials(stage: Stage, http: httpx.Client) -> None:
    assert http.post("/sessions", json={}).status_code == 401
    assert http.get(f"/sessions/{NO_SUCH_ID}").status_code == 401


def test_an_id_that_was_never_given_out_is_not_there(stage: Stage, http: httpx.Client) -> None:
    for name in (NO_SUCH_ID, "1", "..%2f", "ses_", "%00"):
        assert http.get(f"/sessions/{name}", headers=stage.headers()).status_code == 404


def test_ten_megabytes_of_code_are_refused(staged: Stage, http: httpx.Client) -> None:
    session = Session(staged, http)
    answer = session.say("Improve it.", code={"text": "x = 1\n" * 1_750_000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert session.say("Still there?").status_code == 200


def test_what_cannot_be_is_refused(stage: Stage, http: httpx.Client) -> None:
    session = Session(stage, http)
    bodies: list[Any] = [{}, {"content": 1}, {"content": "x", "code": "y"}, {"messages": []}]
    for body in bodies:
        answer = http.post(f"{session.path}/messages", json=body, headers=session.headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert session.get("/code", version="x").status_code == 400
    assert http.put(session.path, headers=session.headers).status_code == 405


def test_a_failing_model_leaves_the_session_as_it_was(staged: Stage, http: httpx.Client) -> None:
    session = Session(staged, http)
    session.say("Hello.")
    assert session.say("[[mock fault=status-500]]").status_code == 502
    assert session.say("[[mock fault=half-event]]", stream=True).text.count('"error"') == 1
    told = session.say("And now?").json()
    assert (told["turn"], session.get().json()["turns_committed"]) == (2, 2)


def test_telemetry_knows_the_session_by_another_name(staged: Stage, http: httpx.Client) -> None:
    session = Session(staged, http)
    answer = session.say("Hello.")
    event = staged.event(answer.headers["x-request-id"])
    assert len(event["conversation_id"]) == 16
    assert event["route"] == "/sessions/{id}/messages"
    assert session.id not in json.dumps(staged.events())


def test_what_is_held_of_a_subject_is_shown_and_forgotten(staged: Stage, http: httpx.Client) -> None:
    subject = f"ann/{uuid.uuid4()}@example.org"
    hers = {"authorization": f"Bearer {staged.token(sub=subject)}"}
    admin = {"authorization": f"Bearer {staged.token(sub='operator', scope='admin')}"}
    kept = Session(staged, http)
    ids = [http.post("/sessions", json={"model": "gpt-4o-mini"}, headers=hers).json()["id"] for _ in range(2)]
    for one in ids:
        http.post(f"/sessions/{one}/messages", json={"content": "Some code."}, headers=hers)
    path = f"/admin/subjects/{subject.replace('/', '%2F')}"
    parameters = {"tenant": "acme"}
    assert http.get(path, params=parameters, headers=hers).status_code == 403
    shown = http.get(path, params=parameters, headers=admin).json()
    assert [one["turns"][0]["messages"][0]["content"] for one in shown["sessions"]] == ["Some code."] * 2
    assert all(one["code"] for one in shown["sessions"])
    assert ids[0] not in json.dumps(shown)
    told = http.delete(path, params=parameters, headers=admin).json()
    assert (told["removed"]["sessions"], told["removed"]["turns"], told["more"]) == (2, 2, False)
    assert http.get(f"/sessions/{ids[0]}", headers=hers).status_code == 404
    again = http.delete(path, params=parameters, headers=admin).json()
    assert again["removed"]["sessions"] == 0
    assert kept.get().status_code == 200
