"""Whose a session is, what lies at rest, what telemetry is told."""

from __future__ import annotations

import base64

import pytest

from lumigate.sessions.ids import object_name
from tests.api.sessions.rig import FIRST, KEYS, Rig
from tests.fakes import key_set, make_claims, make_token
from tests.fakes.settings import JWKS_URL

OTHER_KEYS = "k2:" + base64.b64encode(bytes(32)).decode()


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
