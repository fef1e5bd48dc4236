"""What is held of a subject: shown to operators, and removed; whatever is someone else's stays."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from lumigate.sessions.subjects import SHOWN_A_CALL
from tests.fakes import (
    CHAT_BODY,
    UPSTREAM_URL,
    FakeSessions,
    completion,
    fake_ports,
    json_answer,
    key_set,
    make_claims,
    make_gateway,
    make_request,
    make_token,
    whole_body,
)
from tests.fakes.settings import JWKS_URL
from tests.fakes.stores import FakeBlobs

KEYS = "k1:" + base64.b64encode(bytes(range(32))).decode()


class Office:
    """A gateway, an operator, and Ann, who has something here."""

    def __init__(self, **environ: Any) -> None:
        self.ports = fake_ports()
        self.sessions = self.ports.sessions = FakeSessions(self.ports.clock)
        self.ports.fetch.script(JWKS_URL, key_set("k1"))
        self.under = make_gateway(
            self.ports, SEALING_KEYS=KEYS, API_KEY_PEPPER="pepper-of-sixteen-chars", **environ
        )
        self.operator = _bearer(sub="operator", scope="admin")
        self.ann = _bearer(sub="ann")

    async def send(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str], query: str = "tenant=acme"
    ) -> tuple[int, dict[str, Any]]:
        raw = b"" if body is None else json.dumps(body).encode()
        request = replace(make_request(method, path, headers=headers, body=raw), query=query)
        response = await self.under.gateway.handle(request, self.ports)
        return response.status, json.loads(await whole_body(response))

    async def begin(self, headers: dict[str, str]) -> str:
        _, made = await self.send("POST", "/sessions", {"model": "fast"}, headers=headers)
        return str(made["id"])

    async def forget(self, subject: str = "ann") -> dict[str, Any]:
        status, told = await self.send("DELETE", f"/admin/subjects/{subject}", headers=self.operator)
        assert status == 200
        return told


def _bearer(**claims: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {make_token(make_claims(**claims))}"}


async def test_only_operators_may_ask() -> None:
    office = Office()
    for method in ("GET", "DELETE"):
        assert (await office.send(method, "/admin/subjects/ann", headers=office.ann))[0] == 403


@pytest.mark.parametrize(
    "query", ["", "tenant=", "tenant=acme&cursor=x", "tenant=acme&cursor=-1", "x" * 5000]
)
async def test_a_question_that_cannot_be_is_refused(query: str) -> None:
    office = Office()
    status, told = await office.send("GET", "/admin/subjects/ann", headers=office.operator, query=query)
    assert (status, told["error"]["code"]) == (400, "invalid_request")


async def test_what_is_a_subjects_goes_and_what_is_anothers_stays() -> None:
    office = Office()
    hers = await office.begin(office.ann)
    other_tenant = _bearer(sub="ann", tenant="other")
    kept = [(await office.begin(h), h) for h in (_bearer(sub="bob"), other_tenant)]
    told = await office.forget()
    assert told["removed"] == {"sessions": 1, "turns": 0, "versions": 0, "cache_entries": 0, "api_keys": 0}
    assert told["more"] is False
    assert (await office.send("GET", f"/sessions/{hers}", headers=office.ann))[0] == 404
    for session, headers in kept:
        assert (await office.send("GET", f"/sessions/{session}", headers=headers))[0] == 200
    assert (await office.forget())["removed"]["sessions"] == 0


async def test_a_tenant_of_a_long_name_is_the_one_that_its_tokens_name() -> None:
    """Inside it goes by a shorter one, which no operator knows."""
    office, long = Office(), "acme of the many departments " * 5
    await office.begin(_bearer(sub="ann", tenant=long))
    for method in ("GET", "DELETE"):
        _, told = await office.send(
            method, "/admin/subjects/ann", headers=office.operator, query=urlencode({"tenant": long})
        )
        assert len(told["sessions"]) == 1 if method == "GET" else told["removed"]["sessions"] == 1


async def test_an_export_holds_every_turn_and_version_in_pages() -> None:
    office = Office()
    sessions = [await office.begin(office.ann) for _ in range(SHOWN_A_CALL + 1)]
    texts = ("```python\nx = 1\n```", "```python\nx = 2\n```")
    office.ports.fetch.script(UPSTREAM_URL, *(json_answer(completion(text)) for text in texts))
    for _ in texts:
        await office.send(
            "POST", f"/sessions/{sessions[0]}/messages", {"content": "Go on."}, headers=office.ann
        )
    shown: list[dict[str, Any]] = []
    cursor: str | None = "0"
    while cursor is not None:
        query = f"tenant=acme&cursor={cursor}"
        _, page = await office.send("GET", "/admin/subjects/ann", headers=office.operator, query=query)
        shown, cursor = shown + page["sessions"], page["cursor"]
    assert len({one["public_id"] for one in shown}) == SHOWN_A_CALL + 1
    (full,) = [one for one in shown if one["turns"]]
    assert [turn["answer"] for turn in full["turns"]] == list(texts)
    assert [version["text"] for version in full["code"]] == ["x = 1\n", "x = 2\n"]
    assert not any(session in json.dumps(shown) for session in sessions)


@pytest.mark.parametrize("routes", ["{}", '{"fast": {"shared": true}}'], ids=["of the tenant", "shared"])
async def test_the_cached_answers_that_may_be_hers_go_from_every_tier(routes: str) -> None:
    """An answer that tenants share may be to her question as well."""
    office = Office(CACHE_ROUTES=routes)
    office.ports.fetch.script(UPSTREAM_URL, *(json_answer(completion()) for _ in range(2)))
    for _ in range(2):
        await office.send("POST", "/v1/chat/completions", dict(CHAT_BODY), headers=office.ann)
        await office.ports.background.run()
    assert len(office.ports.fetch.calls) == 2  # the key set, and one answer that was kept
    assert (await office.forget())["removed"]["cache_entries"] == 1
    await office.send("POST", "/v1/chat/completions", dict(CHAT_BODY), headers=office.ann)
    assert len(office.ports.fetch.calls) == 3


async def test_nothing_is_left_in_any_store_but_the_marks_that_it_was_purged() -> None:
    """The index by which her questions would be found again included; what is another tenant's stays."""
    office = Office(CACHE_NEAR_THRESHOLD="0.8")
    kv = office.ports.key_value
    assert kv is not None
    blobs = office.ports.blobs = FakeBlobs()
    asked = {"model": "fast", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    office.ports.fetch.script(UPSTREAM_URL, *(json_answer(completion()) for _ in range(2)))

    def kept() -> set[tuple[str, str]]:
        return {("kv", name) for name in kv.values} | {("blobs", name) for name in blobs.values}

    await office.begin(office.ann)
    await office.send("POST", "/v1/chat/completions", asked, headers=office.ann)
    await office.ports.background.run()
    hers = kept()
    assert {(store, name.partition("/")[0]) for store, name in hers} >= {
        ("kv", "cache"),
        ("kv", "near"),
        ("blobs", "cache"),
    }
    await office.send("POST", "/v1/chat/completions", asked, headers=_bearer(sub="bob", tenant="other"))
    await office.ports.background.run()
    others = kept() - hers
    told = await office.forget()
    assert (told["removed"]["cache_entries"], told["more"]) == (len(hers), False)
    assert others
    assert kept() >= others
    assert {name.partition("/")[0] for _, name in kept() - others} == {"purge"}


async def test_a_key_that_is_the_subject_goes_with_its_record() -> None:
    office = Office()
    _, made = await office.send("POST", "/admin/keys", {"tenant": "acme"}, headers=office.operator)
    with_key = {"authorization": f"Bearer {made['key']}"}
    await office.begin(with_key)
    subject = f"key:{made['id']}"
    _, shown = await office.send("GET", f"/admin/subjects/{subject}", headers=office.operator)
    assert ([key["id"] for key in shown["api_keys"]], len(shown["sessions"])) == ([made["id"]], 1)
    assert made["key"] not in json.dumps(shown)
    status, told = await office.send(
        "DELETE", f"/admin/subjects/{subject}", headers=office.operator, query="tenant=other"
    )
    assert (status, told["removed"]["api_keys"]) == (200, 0)
    told = await office.forget(subject)
    assert (told["removed"]["api_keys"], told["removed"]["sessions"]) == (1, 1)
    assert (await office.send("GET", "/v1/models", headers=with_key))[0] == 401


async def test_a_session_that_cannot_be_reached_is_kept_in_mind() -> None:
    office = Office()
    await office.begin(office.ann)

    async def fails(message: Any) -> Any:
        raise ConnectionError("gone")

    get = office.sessions.get

    def unreachable(name: str) -> Any:
        session = get(name)
        session.remove = fails  # type: ignore[method-assign]
        return session

    office.sessions.get = unreachable  # type: ignore[method-assign]
    told = await office.forget()
    assert (told["removed"]["sessions"], told["more"]) == (0, True)
    office.sessions.get = get  # type: ignore[method-assign]
    assert (await office.forget())["removed"]["sessions"] == 1


async def test_telemetry_never_has_the_subject() -> None:
    office = Office()
    await office.begin(office.ann)
    await office.forget("ann%40example.org")
    said = [str(span.attributes) + span.name for span in office.under.observed.spans]
    assert not any("example.org" in text for text in [*said, *office.ports.console.lines])
