"""The cache as callers of the front doors meet it: stale answers, refusals, forms, tools, and a crowd at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.fakes import (
    CHAT_BODY,
    DONE_EVENT,
    JWKS_URL,
    STREAM,
    UPSTREAM_URL,
    WITH_KEY,
    FakeAnswer,
    GatewayUnderTest,
    chunk,
    completion,
    error_of,
    event,
    json_answer,
    key_set,
    make_claims,
    make_gateway,
    make_token,
    settle,
    stream_answer,
    whole_body,
)

STREAMED = {**CHAT_BODY, "stream": True}
SHORT = {**WITH_KEY, "x-lumigate-cache-ttl": "10"}


def with_answers(*answers: FakeAnswer | Exception, **environ: Any) -> GatewayUnderTest:
    rig = make_gateway(**environ)
    rig.ports.fetch.script(UPSTREAM_URL, *answers)
    return rig


async def said(rig: GatewayUnderTest, **more: Any) -> tuple[str, str]:
    """What the cache said, and the words of the answer."""
    response = await rig.send(**more)
    document = json.loads(await whole_body(response))
    return response.headers["x-lumigate-cache"], document["choices"][0]["message"]["content"]


# --- stale answers


async def test_a_stale_answer_is_served_at_once_and_asked_for_anew_beside_it() -> None:
    rig = with_answers(json_answer(completion("old")), json_answer(completion("new")))
    assert await said(rig, headers=SHORT) == ("miss", "old")
    await rig.ports.background.run()
    rig.ports.clock.advance(11)
    for _ in range(3):
        assert await said(rig) == ("stale-l1", "old")
    assert len(rig.ports.fetch.calls) == 1  # nobody waited for it
    await rig.ports.background.run()
    assert len(rig.ports.fetch.calls) == 2  # and it was asked for once
    assert await said(rig) == ("hit-l1", "new")
    span = rig.observed.span("cache.revalidate")
    assert span.attributes["lumigate.cache.revalidation"] == "refreshed"
    assert span.parent is None
    assert len(span.links) == 1


async def test_what_another_isolate_has_asked_for_anew_is_found_and_not_asked_again() -> None:
    rig = with_answers(json_answer(completion("old")), json_answer(completion("new")))
    other = make_gateway(rig.ports)
    assert await said(rig, headers=SHORT) == ("miss", "old")
    await rig.ports.background.run()
    rig.ports.clock.advance(11)
    assert await said(other, headers={**WITH_KEY, "cache-control": "no-cache"}) == ("bypass", "new")
    await rig.ports.background.run()
    assert await said(rig) == ("stale-l1", "old")
    await rig.ports.background.run()
    assert rig.observed.span("cache.revalidate").attributes["lumigate.cache.revalidation"] == "found"
    assert await said(rig) == ("hit-l1", "new")
    assert len(rig.ports.fetch.calls) == 2


async def test_a_stale_stream_is_asked_for_anew_as_a_stream() -> None:
    rig = with_answers(stream_answer(*STREAM), stream_answer(*STREAM))
    await whole_body(await rig.send(body=STREAMED, headers=SHORT))
    rig.ports.clock.advance(11)
    assert (await rig.send(body=STREAMED)).headers["x-lumigate-cache"] == "stale-l1"
    await rig.ports.background.run()
    assert (await rig.send(body=STREAMED)).headers["x-lumigate-cache"] == "hit-l1"
    assert len(rig.events) == 3  # what is asked for anew is no request


async def test_a_revalidation_that_fails_leaves_the_stale_answer_and_is_tried_again() -> None:
    rig = with_answers(
        json_answer(completion("old")), json_answer({}, status=500), json_answer(completion("new"))
    )
    await said(rig, headers=SHORT)
    rig.ports.clock.advance(11)
    for expected in ("old", "old", "new"):
        assert (await said(rig))[1] == expected
        await rig.ports.background.run()


async def test_when_no_model_answers_a_stale_answer_does() -> None:
    rig = with_answers(json_answer(completion("old")), json_answer({}, status=503))
    await said(rig, headers=SHORT)
    rig.ports.clock.advance(10 + 61)
    response = await rig.send()
    assert (response.status, response.headers["x-lumigate-cache"]) == (200, "stale-l1")
    assert response.headers["age"] == "71"
    assert rig.events[-1]["cache"] == "stale-l1"
    rig.ports.clock.advance(600)
    assert (await rig.send()).status == 502


# --- refusals


async def test_what_a_provider_refuses_is_refused_for_seconds_without_asking_it_again() -> None:
    refusal = json_answer({"error": {"message": "too long", "param": "messages"}}, status=400)
    rig = with_answers(refusal, json_answer(completion("now")))
    first, second = await rig.send(), await rig.send()
    assert first.status == second.status == 400
    assert error_of(first)["message"] == error_of(second)["message"]
    assert error_of(second)["param"] == "messages"
    assert second.headers["x-lumigate-cache"] == "hit-l1"
    assert second.headers["x-lumigate-attempts"] == "0"
    rig.ports.clock.advance(5)
    assert await said(rig) == ("miss", "now")


@pytest.mark.parametrize("status", [401, 408, 429, 500, 503])
async def test_what_is_not_the_requests_fault_is_not_remembered(status: int) -> None:
    rig = with_answers(json_answer({}, status=status), json_answer(completion("now")))
    assert (await rig.send()).status != 200
    assert await said(rig) == ("miss", "now")


async def test_refusals_are_not_remembered_where_the_setting_is_nought() -> None:
    rig = with_answers(
        json_answer({}, status=400), json_answer(completion("now")), CACHE_NEGATIVE_SECONDS="0"
    )
    assert (await rig.send()).status == 400
    assert await said(rig) == ("miss", "now")


# --- forms


async def test_a_stream_answers_who_wants_it_whole() -> None:
    rig = with_answers(stream_answer(*STREAM))
    await whole_body(await rig.send(body=STREAMED))
    response = await rig.send()
    assert response.headers["x-lumigate-cache"] == "hit-l1"
    assert response.headers["content-type"] == "application/json"
    document = json.loads(await whole_body(response))
    assert document["choices"][0]["message"]["content"] == "Grüße, Welt 🌍"
    assert document["choices"][0]["finish_reason"] == "stop"
    assert document["usage"]["total_tokens"] == 1500


async def test_a_whole_answer_answers_who_wants_a_stream() -> None:
    rig = with_answers(json_answer(completion("all of it")))
    await rig.send()
    response = await rig.send(body={**STREAMED, "stream_options": {"include_usage": True}})
    assert response.headers["content-type"].startswith("text/event-stream")
    body = await whole_body(response)
    assert body.endswith(DONE_EVENT)
    assert b"all of it" in body
    assert b'"total_tokens":1500' in body


async def test_usage_is_told_to_those_who_ask_for_it_and_to_nobody_else() -> None:
    told = {**STREAMED, "stream_options": {"include_usage": True}}
    for first, second, expected in ((STREAMED, told, True), (told, STREAMED, False)):
        rig = with_answers(stream_answer(*STREAM))
        await whole_body(await rig.send(body=first))
        response = await rig.send(body=second)
        assert response.headers["x-lumigate-cache"] == "hit-l1"
        body = await whole_body(response)
        assert (b'"total_tokens"' in body) is expected
        assert body.endswith(DONE_EVENT)


# --- rules


def tool_call_answer() -> FakeAnswer:
    call = {"id": "c", "type": "function", "function": {"name": "send_mail", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return json_answer(completion(choices=[{"index": 0, "message": message, "finish_reason": "stop"}]))


@pytest.mark.parametrize(("safe", "expected"), [("", "miss"), ("send_*", "hit-l1")])
async def test_a_call_of_a_tool_is_not_given_twice_unless_it_is_safe(safe: str, expected: str) -> None:
    body = {**CHAT_BODY, "tools": [{"type": "function", "function": {"name": "send_mail"}}]}
    rig = with_answers(tool_call_answer(), tool_call_answer(), CACHE_SAFE_TOOLS=safe)
    await rig.send(body=body)
    assert (await rig.send(body=body)).headers["x-lumigate-cache"] == expected


async def test_an_answer_in_words_is_kept_though_tools_were_on_offer() -> None:
    body = {**CHAT_BODY, "tools": [{"type": "function", "function": {"name": "send_mail"}}]}
    rig = with_answers(json_answer(completion('I have no "tool_calls": [{"to": "make"}]')))
    await rig.send(body=body)
    assert (await rig.send(body=body)).headers["x-lumigate-cache"] == "hit-l1"


@pytest.mark.parametrize("none", ["tool_calls", "function_call"])
async def test_an_answer_with_an_empty_list_of_calls_calls_nothing(none: str) -> None:
    """Some servers send one in every answer."""
    body = {**CHAT_BODY, "tools": [{"type": "function", "function": {"name": "send_mail"}}]}
    message = {"role": "assistant", "content": "No.", none: []}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    rig = with_answers(json_answer(completion(choices=choices)))
    await rig.send(body=body)
    assert (await rig.send(body=body)).headers["x-lumigate-cache"] == "hit-l1"


async def test_features_that_are_asked_for_by_a_header_make_another_request() -> None:
    rig = with_answers(json_answer(completion("one")), json_answer(completion("two")))
    body = {**CHAT_BODY, "max_tokens": 9}

    async def with_features(names: str) -> str:
        headers = {**WITH_KEY, "anthropic-beta": names}
        return (await rig.send(path="/v1/messages", headers=headers, body=body)).headers["x-lumigate-cache"]

    assert [await with_features(names) for names in ("a", "b", "a")] == ["miss", "miss", "hit-l1"]


async def test_tenants_share_an_answer_where_the_route_says_so() -> None:
    def bearer(tenant: str) -> dict[str, str]:
        return {"authorization": f"Bearer {make_token(make_claims(tenant=tenant))}"}

    for routes, expected in (("", "miss"), ('{"fast": {"shared": true}}', "hit-l1")):
        rig = make_gateway(CACHE_ROUTES=routes)
        rig.ports.fetch.script(JWKS_URL, key_set("k1"))
        rig.ports.fetch.script(UPSTREAM_URL, json_answer(completion()), json_answer(completion()))
        await rig.send(headers=bearer("acme"))
        response = await rig.send(headers=bearer("umbrella"))
        assert response.headers["x-lumigate-cache"] == expected


async def test_why_the_cache_was_not_asked_is_counted() -> None:
    rig = with_answers(*(json_answer(completion()) for _ in range(2)))
    await rig.send(headers={**WITH_KEY, "cache-control": "no-store"})
    await rig.send(body={**CHAT_BODY, "temperature": 1.5})
    for reason in ("no-store", "temperature"):
        assert rig.observed.total("lumigate.cache.bypasses", lumigate__cache__bypass=reason) == 1
    assert rig.observed.total("lumigate.cache.lookups", lumigate__cache__result="bypass") == 2


@pytest.mark.parametrize("header", ["x-lumigate-cache-ttl", "x-lumigate-cache-tag"])
async def test_a_header_that_makes_no_sense_is_a_400_that_names_it(header: str) -> None:
    rig = with_answers()
    response = await rig.send(headers={**WITH_KEY, header: "?!"})
    assert (response.status, error_of(response)["param"]) == (400, header)


# --- a crowd


async def crowd(rig: GatewayUnderTest, gate: asyncio.Event, size: int = 40) -> list[tuple[str, str]]:
    tasks = [asyncio.ensure_future(said(rig)) for _ in range(size)]
    await settle()
    gate.set()
    return await asyncio.gather(*tasks)


async def test_a_crowd_that_asks_the_same_makes_one_model_call() -> None:
    gate = asyncio.Event()
    answer = FakeAnswer(pieces=[gate, json.dumps(completion("one")).encode()])
    rig = with_answers(answer, CACHE_STAMPEDE_MS="60000")
    outcomes = await crowd(rig, gate)
    assert len(rig.ports.fetch.calls) == 1
    assert {words for _, words in outcomes} == {"one"}
    assert sorted({cache for cache, _ in outcomes}) == ["hit-l1", "miss"]
    assert rig.observed.total("lumigate.cache.waits", lumigate__cache__wait="answered") == 39
    kinds = {span.name for span in rig.observed.spans}
    assert "cache.wait" in kinds


async def test_when_who_asked_first_fails_one_other_asks_next() -> None:
    gate = asyncio.Event()
    failing = FakeAnswer(status=500, pieces=[gate, b"{}"])
    rig = with_answers(failing, json_answer(completion("two")), CACHE_STAMPEDE_MS="60000")
    tasks = [asyncio.ensure_future(rig.send()) for _ in range(50)]
    await settle()
    gate.set()
    statuses = sorted([response.status for response in await asyncio.gather(*tasks)])
    assert statuses == [200] * 49 + [502]
    assert len(rig.ports.fetch.calls) == 2
    assert rig.observed.total("lumigate.cache.waits", lumigate__cache__wait="took_over") == 1


async def test_nobody_waits_longer_than_the_window() -> None:
    gate = asyncio.Event()
    slow = FakeAnswer(pieces=[gate, json.dumps(completion("slow")).encode()])
    rig = with_answers(slow, json_answer(completion("own")), CACHE_STAMPEDE_MS="100")
    first = asyncio.ensure_future(said(rig))
    await settle()
    assert await said(rig) == ("miss", "own")
    assert rig.observed.total("lumigate.cache.waits", lumigate__cache__wait="timeout") == 1
    gate.set()
    assert await first == ("miss", "slow")


async def test_a_crowd_waits_for_a_stream_that_ends() -> None:
    gate = asyncio.Event()
    rig = with_answers(stream_answer(STREAM[0], gate, *STREAM[1:]), CACHE_STAMPEDE_MS="60000")

    async def one() -> bytes:
        return await whole_body(await rig.send(body=STREAMED))

    tasks = [asyncio.ensure_future(one()) for _ in range(20)]
    await settle()
    gate.set()
    bodies = await asyncio.gather(*tasks)
    assert len(rig.ports.fetch.calls) == 1
    assert len(set(bodies)) == 1


async def test_a_cut_stream_is_never_given_to_those_who_waited() -> None:
    gate = asyncio.Event()
    rig = with_answers(
        stream_answer(event(chunk("half")), gate), stream_answer(*STREAM), CACHE_STAMPEDE_MS="60000"
    )
    first = asyncio.ensure_future(rig.send(body=STREAMED))
    await settle()
    cut = asyncio.ensure_future(whole_body(await first))
    second = asyncio.ensure_future(rig.send(body=STREAMED))
    await settle()
    gate.set()
    assert b"half" in await cut
    assert (await whole_body(await second)).endswith(DONE_EVENT)
