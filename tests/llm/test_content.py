from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from lumigate.llm.content import MAX_CHARS, input_messages, output_message
from tests.fakes import (
    CHAT_BODY,
    STREAM,
    UPSTREAM_URL,
    WITH_KEY,
    completion,
    json_answer,
    make_gateway,
    stream_answer,
    whole_body,
)
from tests.llm.conversation import MESSAGES
from tests.llm.recorded import recorded

CAPTURE = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}
ASKED = {**CHAT_BODY, "messages": [{"role": "user", "content": "Write to ann@example.com please."}]}


async def attributes(stream: bool, **environ: Any) -> dict[str, Any]:
    rig = make_gateway(**environ)
    answer = stream_answer(*STREAM) if stream else json_answer(completion("I wrote to ann@example.com."))
    rig.ports.fetch.script(UPSTREAM_URL, answer)
    headers = {**WITH_KEY, "x-conversation-id": "c-1"}
    await whole_body(await rig.send(body={**ASKED, "stream": stream}, headers=headers))
    return dict(rig.observed.span("chat gpt-4o-mini").attributes)


@pytest.mark.parametrize("stream", [False, True])
async def test_content_is_off_unless_it_is_asked_for(stream: bool) -> None:
    told = await attributes(stream)
    assert not {"gen_ai.input.messages", "gen_ai.output.messages"} & set(told)
    assert "example.com please" not in json.dumps(told)


async def test_content_is_told_with_personal_data_masked() -> None:
    told = await attributes(stream=False, **CAPTURE)
    assert json.loads(told["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Write to [email] please."}]}
    ]
    assert json.loads(told["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "I wrote to [email]."}]}
    ]


async def test_the_content_of_a_stream_is_put_together() -> None:
    told = await attributes(stream=True, **CAPTURE)
    (said,) = json.loads(told["gen_ai.output.messages"])
    assert said["parts"][0]["content"] == "Grüße, Welt 🌍"


@pytest.mark.parametrize(
    ("setting", "on_span", "in_event"),
    [
        ("true", True, False),
        ("SPAN_ONLY", True, False),
        ("event_only", False, True),
        ("SPAN_AND_EVENT", True, True),
        ("no_content", False, False),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_content_goes_where_the_setting_says(
    setting: str, on_span: bool, in_event: bool, stream: bool
) -> None:
    rig = make_gateway(
        OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=setting,
        OTEL_EXPORTER_OTLP_ENDPOINT="https://collector.example",
    )
    answer = stream_answer(*STREAM) if stream else json_answer(completion("I wrote to ann@example.com."))
    rig.ports.fetch.script(UPSTREAM_URL, answer)
    await whole_body(await rig.send(body={**ASKED, "stream": stream}))
    span = rig.observed.span("chat gpt-4o-mini")
    await rig.gateway.flush(rig.ports)
    posted = b"".join(
        body if body[:1] == b"{" else gzip.decompress(body)
        for url, body in zip(rig.ports.post.urls, rig.ports.post.bodies, strict=True)
        if url.endswith("/v1/logs")
    ).decode()
    assert ("gen_ai.input.messages" in span.attributes) is on_span
    assert ("gen_ai.output.messages" in span.attributes) is on_span
    assert ('"eventName":"gen_ai.client.inference.operation.details"' in posted) is in_event
    assert ("gen_ai.output.messages" in posted) is in_event
    assert "ann@example.com" not in posted
    assert (f'"spanId":"{span.context.span_id:016x}"' in posted) is in_event


async def test_the_conversation_and_the_caller_are_named() -> None:
    told = await attributes(stream=False)
    assert told["gen_ai.conversation.id"] == told["session.id"] == "c-1"
    assert len(told["user.id"]) == 16


def test_pictures_are_told_by_their_kind_and_tool_calls_whole() -> None:
    messages = json.loads(input_messages({"messages": MESSAGES}))
    assert [part["type"] for part in messages[2]["parts"]] == ["text", "image_url", "image_url"]
    assert messages[3]["parts"][0]["name"] == "get_weather"


def test_the_oldest_messages_give_way_and_the_json_stays_whole() -> None:
    body = {"messages": [{"role": "user", "content": f"{number} " + "x" * 500} for number in range(50)]}
    told = input_messages(body)
    assert len(told) <= MAX_CHARS + 2
    assert json.loads(told)[-1]["parts"][0]["content"].startswith("49 ")


@pytest.mark.parametrize("fixture", ["success.json", "stream.sse"])
def test_anthropics_own_words_are_read_too(fixture: str) -> None:
    (said,) = json.loads(output_message(recorded("anthropic", fixture)))
    assert said["parts"][0]["content"] == "Grüße aus Köln! 🌍"
