from __future__ import annotations

import json
from typing import Any

import pytest

from lumigate.errors import LumigateError
from lumigate.llm.call import ModelCall
from lumigate.llm.chat import ChatRequest
from lumigate.llm.router import Router
from lumigate.ports import FetchError, StreamInterrupted
from tests.fakes import (
    CHAT_BODY,
    PROVIDER_KEY,
    UPSTREAM_URL,
    FakeAnswer,
    ScopeUnderTest,
    completion,
    json_answer,
    make_scope,
    make_settings,
    stream_answer,
)

LIMIT_BYTES = 10_000


def open_call(rig: ScopeUnderTest, **changes: Any) -> ModelCall:
    settings = make_settings()
    target = Router(settings).targets["fast"][0]
    return ModelCall(rig.scope, target, ChatRequest.parse({**CHAT_BODY, **changes}))


def refusal(status: int, content: Any = None, **headers: str) -> FakeAnswer:
    body = {"error": {"message": "mind the gap", "param": "tools"}} if content is None else content
    return json_answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def html(status: int = 200) -> FakeAnswer:
    return FakeAnswer(status, {"content-type": "text/html"}, [b"<html>"])


FAILURES: dict[str, tuple[FakeAnswer | Exception, int, str]] = {
    "silent": (FetchError("timeout"), 504, "upstream_timeout"),
    "refused": (FetchError("connection"), 502, "upstream_unreachable"),
    "reset in the body": (
        FakeAnswer(200, {}, [b'{"id":', StreamInterrupted("connection")]),
        502,
        "upstream_unreachable",
    ),
    "stalled in the body": (
        FakeAnswer(200, {}, [b'{"id":', StreamInterrupted("timeout")]),
        504,
        "upstream_timeout",
    ),
    "html": (html(), 502, "upstream_bad_answer"),
    "a stream nobody asked for": (stream_answer(b"data: [DONE]\n\n"), 502, "upstream_bad_answer"),
    "half a document": (FakeAnswer(200, {}, [b'{"choices":[']), 502, "upstream_bad_answer"),
    "another document": (json_answer({"object": "list"}), 502, "upstream_bad_answer"),
    "nested deeply": (FakeAnswer(200, {}, [b"[" * 9000]), 502, "upstream_bad_answer"),
    "too large": (FakeAnswer(200, {}, [b"x" * 600] * 20), 502, "upstream_bad_answer"),
    "a failure under a 200": (refusal(200), 502, "upstream_failed"),
    "500": (refusal(500), 502, "upstream_failed"),
    "500 in html": (html(500), 502, "upstream_failed"),
    "503": (refusal(503), 502, "upstream_failed"),
    "redirect": (refusal(302), 502, "upstream_failed"),
    "no content": (FakeAnswer(204), 502, "upstream_failed"),
    "401": (refusal(401), 502, "upstream_failed"),
    "403": (refusal(403), 502, "upstream_failed"),
    "429": (refusal(429, retry_after="7"), 429, "upstream_rate_limited"),
    "400": (refusal(400), 400, "upstream_refused"),
    "422 in html": (html(422), 422, "upstream_refused"),
    "400 reset": (FakeAnswer(400, {}, [StreamInterrupted("connection")]), 502, "upstream_unreachable"),
    "400 too large": (FakeAnswer(400, {}, [b"x" * 60_000] * 2), 400, "upstream_refused"),
}


async def complete(rig: ScopeUnderTest, call: ModelCall) -> bytes:
    await call.send(60, 30)
    return await call.read(LIMIT_BYTES, 30)


@pytest.mark.parametrize("case", FAILURES)
async def test_each_way_to_fail_has_its_status_code_and_true_span(case: str) -> None:
    answer, status, code = FAILURES[case]
    rig = make_scope()
    rig.ports.fetch.script(UPSTREAM_URL, answer)
    with pytest.raises(LumigateError) as caught:
        await complete(rig, open_call(rig))
    error = caught.value
    assert (error.status, error.code) == (status, code)
    assert PROVIDER_KEY not in json.dumps(error.to_body(rig.scope.trace_id))
    span = rig.observed.span("chat gpt-4o-mini")
    assert span.attributes["error.type"] == code
    assert not span.status.is_unset
    assert rig.observed.total("lumigate.llm.attempts", lumigate__llm__result=code) == 1
    assert rig.observed.total("gen_ai.client.inference.duration", error__type=code) == 1
    if isinstance(answer, FakeAnswer):
        assert answer.cancelled, "the connection was left open"


async def test_a_refusal_of_the_request_tells_the_caller_why_and_which_field() -> None:
    rig = make_scope()
    rig.ports.fetch.script(UPSTREAM_URL, refusal(400))
    with pytest.raises(LumigateError) as caught:
        await complete(rig, open_call(rig))
    assert caught.value.message == "openai refused the request: mind the gap"
    assert caught.value.param == "tools"


async def test_a_refusal_of_our_credentials_tells_the_caller_nothing() -> None:
    rig = make_scope()
    rig.ports.fetch.script(UPSTREAM_URL, refusal(401, {"error": {"message": f"bad key {PROVIDER_KEY}"}}))
    with pytest.raises(LumigateError) as caught:
        await complete(rig, open_call(rig))
    assert caught.value.message == "openai answered 401."


async def test_a_limit_of_the_provider_is_passed_on_with_its_time() -> None:
    rig = make_scope()
    rig.ports.fetch.script(UPSTREAM_URL, refusal(429, retry_after="7"))
    with pytest.raises(LumigateError) as caught:
        await complete(rig, open_call(rig))
    assert caught.value.headers == {"retry-after": "7"}


async def test_a_good_answer_is_returned_byte_by_byte_and_told_in_full() -> None:
    rig = make_scope()
    answer = json_answer(completion("Grüße"), headers={"x-request-id": "req-upstream"})
    rig.ports.fetch.script(UPSTREAM_URL, answer)
    call = open_call(rig, temperature=0.5, max_tokens=10, top_p=0.9)
    assert await complete(rig, call) == json.dumps(completion("Grüße")).encode()
    assert rig.observed.span("chat gpt-4o-mini").attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.stream": False,
        "gen_ai.request.max_tokens": 10,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "server.address": "upstream.example",
        "lumigate.llm.attempt": 1,
        "http.response.status_code": 200,
        "lumigate.llm.provider_request_id": "req-upstream",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "gpt-4o-mini-2024",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 500,
        "lumigate.llm.cost": pytest.approx(0.00045),
        "lumigate.llm.cost.source": "usage",
        "gen_ai.usage.cost": pytest.approx(0.00045),
    }
    facts = rig.scope.facts
    assert (facts.input_tokens, facts.output_tokens, facts.attempts) == (1000, 500, 1)
    assert rig.observed.total("gen_ai.client.inference.usage.input_tokens") == 1000
    assert rig.observed.total("gen_ai.client.inference.usage.output_tokens") == 500
    assert rig.observed.total("lumigate.llm.cost") == pytest.approx(0.00045)
    assert rig.observed.total("lumigate.llm.attempts", lumigate__llm__result="ok") == 1


async def test_a_call_is_finished_once_by_the_first_who_sees_its_end() -> None:
    rig = make_scope()
    answer = json_answer(completion())
    rig.ports.fetch.script(UPSTREAM_URL, answer)
    call = open_call(rig)
    await call.send(60, 30)
    call.abort()
    call.abort()
    call.finish("ok")
    assert answer.cancelled
    assert rig.observed.labels("lumigate.llm.attempts") == [
        {
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "lumigate.llm.result": "client_abort",
        }
    ]
    span = rig.observed.span("chat gpt-4o-mini")
    assert span.attributes["error.type"] == "client_abort"
    assert span.status.is_unset, "a client that leaves is no error of the provider"


async def test_a_defect_in_sending_ends_the_span_too() -> None:
    rig = make_scope()
    rig.ports.fetch.script(UPSTREAM_URL, TypeError("a defect"))
    with pytest.raises(TypeError):
        await complete(rig, open_call(rig))
    span = rig.observed.span("chat gpt-4o-mini")
    assert span.attributes["error.type"] == "internal_error"
    assert [event.name for event in span.events] == ["exception"]


async def test_a_stream_must_be_one() -> None:
    rig = make_scope()
    rig.ports.fetch.script(UPSTREAM_URL, json_answer(completion()))
    with pytest.raises(LumigateError) as caught:
        await open_call(rig, stream=True).send(60, 30)
    assert caught.value.code == "upstream_bad_answer"
