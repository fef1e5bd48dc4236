from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest

from local.mocks.directives import FAULTS, Directive, DirectiveError, find_directive, parse_directive
from local.mocks.openai_upstream import Behaviour, OpenAIUpstream
from tests.local.stubs import until


def chat(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-5", "messages": [{"role": "user", "content": prompt}], **more}


async def post(client: httpx.AsyncClient, upstream: OpenAIUpstream, body: dict[str, Any]) -> httpx.Response:
    return await client.post(f"{upstream.base_url}/chat/completions", json=body)


async def test_the_official_client_chats_with_and_without_a_stream(upstream: OpenAIUpstream) -> None:
    async with openai.AsyncOpenAI(base_url=upstream.base_url, api_key="k", max_retries=0) as official:
        answer = await official.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "hello"}]
        )
        content = answer.choices[0].message.content
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 24
        assert answer.choices[0].finish_reason == "stop"
        stream = await official.chat.completions.create(
            model="gpt-5",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        pieces: list[str] = []
        usage = None
        async for chunk in stream:
            usage = chunk.usage or usage
            pieces.extend(choice.delta.content or "" for choice in chunk.choices)
        assert "".join(pieces) == content
        assert usage == answer.usage


async def test_the_official_client_gets_embeddings_and_models(upstream: OpenAIUpstream) -> None:
    async with openai.AsyncOpenAI(base_url=upstream.base_url, api_key="k", max_retries=0) as official:
        packed = await official.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
        plain = await official.embeddings.create(
            model="text-embedding-3-small", input="a", encoding_format="float"
        )
        assert [len(item.embedding) for item in packed.data] == [1536, 1536]
        assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, rel=1e-5)
        assert packed.data[0].embedding != packed.data[1].embedding
        assert sum(value * value for value in plain.data[0].embedding) == pytest.approx(1)
        small = await official.embeddings.create(model="text-embedding-3-small", input="a", dimensions=8)
        assert len(small.data[0].embedding) == 8
        assert "gpt-5" in [model.id async for model in official.models.list()]


async def test_the_same_prompt_has_the_same_answer_and_code_when_asked_for(
    upstream: OpenAIUpstream, client: httpx.AsyncClient
) -> None:
    def content(answer: httpx.Response) -> str:
        return str(answer.json()["choices"][0]["message"]["content"])

    one, same, other, code = [
        content(await post(client, upstream, chat(prompt))) for prompt in ("a", "a", "b", "some code")
    ]
    assert one == same != other
    assert "```python\n" in code


async def test_usage_comes_only_when_asked_for_in_a_stream(
    upstream: OpenAIUpstream, client: httpx.AsyncClient
) -> None:
    assert '"usage"' not in (await post(client, upstream, chat("a", stream=True))).text
    asked = chat("a", stream=True, stream_options={"include_usage": True})
    assert '"usage":{"prompt_tokens"' in (await post(client, upstream, asked)).text


async def test_max_tokens_cuts_the_answer(upstream: OpenAIUpstream, client: httpx.AsyncClient) -> None:
    answer = (await post(client, upstream, chat("a", max_tokens=3))).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
async def test_a_status_is_answered_in_openais_shape(
    upstream: OpenAIUpstream, client: httpx.AsyncClient, status: int
) -> None:
    answer = await post(client, upstream, chat(f"[[mock fault=status-{status}]]"))
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert ("retry-after" in answer.headers) == (status == 429)


async def test_a_directive_may_come_in_a_header_or_in_the_models_name(
    upstream: OpenAIUpstream, client: httpx.AsyncClient
) -> None:
    url = f"{upstream.base_url}/chat/completions"
    by_header = await client.post(url, json=chat("a"), headers={"x-mock": "fault=status-503"})
    by_model = await client.post(url, json=chat("a") | {"model": "mock-fault-status-503"})
    assert (by_header.status_code, by_model.status_code) == (503, 503)


async def test_times_lets_a_retry_succeed(upstream: OpenAIUpstream, client: httpx.AsyncClient) -> None:
    body = chat("[[mock fault=status-500 times=2]]")
    assert [(await post(client, upstream, body)).status_code for _ in range(4)] == [500, 500, 200, 200]
    upstream.clear()
    assert (await post(client, upstream, body)).status_code == 500


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("html", lambda answer: answer.text.startswith("<!DOCTYPE html>") and answer.status_code == 200),
        ("empty", lambda answer: answer.content == b""),
        ("invalid-json", lambda answer: answer.text.startswith('{"id"') and answer.text.endswith('"mess')),
        ("wrong-json", lambda answer: answer.json() == {"hello": ["world"]}),
        ("no-usage", lambda answer: "usage" not in answer.json()),
        ("huge", lambda answer: len(answer.content) > 8_000_000),
        ("huge bytes=2048", lambda answer: 2048 <= len(answer.content) < 4096),
    ],
)
async def test_each_whole_fault_does_what_it_says(
    upstream: OpenAIUpstream, client: httpx.AsyncClient, fault: str, check: Any
) -> None:
    assert check(await post(client, upstream, chat(f"[[mock fault={fault}]]")))


@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        ("no-done", '"finish_reason":"stop"}]}\n\n'),
        ("error-event", '"code": null}}\n\n'),
        ("half-event-clean", ""),
        ("split", "data: [DONE]\n\n"),
    ],
)
async def test_each_stream_fault_that_ends_in_order_does_what_it_says(
    upstream: OpenAIUpstream, client: httpx.AsyncClient, fault: str, ending: str
) -> None:
    text = (await post(client, upstream, chat(f"[[mock fault={fault}]]", stream=True))).text
    assert text.endswith(ending)
    assert text.endswith("\n\n") == (fault != "half-event-clean")


@pytest.mark.parametrize("fault", ["reset", "garbage", "half-event", "reset-mid"])
async def test_each_broken_connection_is_a_transport_error(
    upstream: OpenAIUpstream, client: httpx.AsyncClient, fault: str
) -> None:
    with pytest.raises(httpx.TransportError):
        await post(client, upstream, chat(f"[[mock fault={fault}]]", stream=True))


@pytest.mark.parametrize("fault", ["timeout", "stall"])
async def test_a_client_that_gives_up_is_counted(
    upstream: OpenAIUpstream, client: httpx.AsyncClient, fault: str
) -> None:
    url = f"{upstream.base_url}/chat/completions"
    asking = asyncio.create_task(client.post(url, json=chat(f"[[mock fault={fault}]]", stream=True)))
    await until(lambda: upstream.open_requests == 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(lambda: upstream.left_early == 1 and upstream.open_requests == 0)
    assert [request.left_early for request in upstream.requests] == [True]
    assert upstream.received["/v1/chat/completions"] == 1


async def test_an_answer_is_held_for_as_long_as_its_name_stands(
    upstream: OpenAIUpstream, client: httpx.AsyncClient
) -> None:
    upstream.held.add("this")
    held = asyncio.create_task(post(client, upstream, chat("[[mock hold=this]]")))
    await until(lambda: upstream.open_requests == 1)
    assert (await post(client, upstream, chat("[[mock hold=that]]"))).status_code == 200
    assert not held.done()
    upstream.held.remove("this")
    assert (await held).status_code == 200
    assert not any(request.left_early for request in upstream.requests)


async def test_the_failure_rate_fails_that_share(client: httpx.AsyncClient) -> None:
    async with OpenAIUpstream(Behaviour(failure_rate=0.5, seed=1)) as upstream:
        statuses = [(await post(client, upstream, chat("a"))).status_code for _ in range(100)]
    assert set(statuses) == {200, 500}
    assert 30 <= statuses.count(500) <= 70


@pytest.mark.parametrize(
    "body", [b"not json", b"[]", b"{}", b'{"messages":5,"model":"m"}', b'{"messages":[1]}']
)
async def test_a_body_that_makes_no_sense_is_a_400(
    upstream: OpenAIUpstream, client: httpx.AsyncClient, body: bytes
) -> None:
    answer = await client.post(f"{upstream.base_url}/chat/completions", content=body)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "text", ["fault=nonsense", "fault=status-200", "fault=status-x", "after=x", "colour=red", "text=x"]
)
def test_a_directive_that_does_not_exist_is_an_error(text: str) -> None:
    with pytest.raises(DirectiveError):
        parse_directive(text, Directive())


def test_directives_are_found_where_they_are_documented() -> None:
    assert find_directive({"x-mock": "fault=html"}, b"") == "fault=html"
    assert find_directive({}, json.dumps(chat("say [[mock fault=stall after=2]] now")).encode()) == (
        "fault=stall after=2"
    )
    assert find_directive({}, b'{"model": "mock-fault-reset"}') == "fault=reset"
    assert find_directive({}, b'{"model": "gpt-5"}') is None
    assert all(parse_directive(f"fault={name}".replace("NNN", "500"), Directive()) for name in FAULTS)
