"""Messages that come together, again, or whose turn is lost."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.api.sessions.rig import FIRST, SECOND, Rig
from tests.fakes import UPSTREAM_URL, completion, error_of, json_answer, settle


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


def _slow(until: asyncio.Event) -> Any:
    from tests.fakes import FakeAnswer

    return FakeAnswer(200, None, [until, json.dumps(completion("one")).encode()])


async def test_no_answer_of_a_session_comes_from_the_cache(rig: Rig) -> None:
    rig.answers("One.", "Two.")
    _, first = await rig.say(await rig.begin(), "The same.")
    _, second = await rig.say(await rig.begin(), "The same.")
    assert (first["answer"], second["answer"]) == ("One.", "Two.")
