from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.config import ModelRoute, ProviderAccess
from lumigate.http.sse import EventSplitter
from lumigate.llm.chat import ChatRequest
from lumigate.llm.provider import Answer, BadAnswer
from lumigate.llm.providers.openai import OpenAIProvider
from tests.fakes import (
    CHAT_BODY,
    DONE_EVENT,
    STREAM,
    USAGE_EVENT,
    chunk,
    chunkings,
    completion,
    event,
    make_settings,
)

PROVIDER = OpenAIProvider()
ROUTE = ModelRoute(provider="openai", model="gpt-4o-mini")
CRLF = b"".join(STREAM).replace(b"\n", b"\r\n")
SPACED = b": keep-alive\n\n" + b"".join(STREAM).replace(b"data: ", b"data:") + b"\n"


def read_stream(chunks: list[bytes], *, strip_usage: bool) -> tuple[bytes, Answer, bool]:
    """What a relay does with a stream, in short."""
    splitter, answer, passed, done = EventSplitter(), Answer(), b"", False
    reader = PROVIDER.reader(answer, strip_usage=strip_usage)
    for piece in chunks:
        block = splitter.feed(piece)
        if block and not done:
            out, done = reader.read_events(block)
            passed += out
    return passed, answer, done


def read_answer(document: dict[str, Any]) -> Answer:
    answer, body = Answer(), json.dumps(document).encode()
    assert PROVIDER.read_answer(body, answer) == body
    return answer


@given(strip_usage=st.booleans(), stream=st.sampled_from([b"".join(STREAM), CRLF]), data=st.data())
def test_however_a_stream_is_cut_the_same_is_passed_on_and_learned(
    strip_usage: bool, stream: bytes, data: st.DataObject
) -> None:
    chunks = data.draw(chunkings(stream))
    assert read_stream(chunks, strip_usage=strip_usage) == read_stream([stream], strip_usage=strip_usage)


@pytest.mark.parametrize("stream", [b"".join(STREAM), CRLF, SPACED])
def test_everything_that_a_stream_says_of_itself_is_learned(stream: bytes) -> None:
    passed, answer, done = read_stream([stream], strip_usage=False)
    assert stream.startswith(passed)
    assert stream.removeprefix(passed).strip() == b""  # blank lines after the end go nowhere
    assert done
    assert answer == Answer(
        id="chatcmpl-1",
        model="gpt-4o-mini-2024",
        finish_reasons=("stop",),
        input_tokens=1000,
        output_tokens=500,
    )


def test_usage_that_the_caller_did_not_ask_for_is_learned_and_taken_out() -> None:
    passed, answer, done = read_stream(list(STREAM), strip_usage=True)
    assert passed == b"".join(piece for piece in STREAM if piece != USAGE_EVENT)
    assert (answer.input_tokens, answer.output_tokens, done) == (1000, 500, True)


def test_an_event_with_usage_and_words_stays_even_so() -> None:
    """Some servers send usage with the last words instead of after them."""
    last = event(chunk("bye", "stop", usage={"prompt_tokens": 1, "completion_tokens": 2}))
    passed, answer, _ = read_stream([last, DONE_EVENT], strip_usage=True)
    assert passed == last + DONE_EVENT
    assert (answer.input_tokens, answer.output_tokens) == (1, 2)


@pytest.mark.parametrize(
    "content",
    ['"usage":{', '"finish_reason":"stop"', "[DONE]", '"error":', "data: [DONE]\n\n", "\u2028\r\x85"],
)
def test_words_that_look_like_the_protocol_teach_nothing(content: str) -> None:
    said = event(chunk(content))
    passed, answer, done = read_stream([event(chunk("a")), said], strip_usage=True)
    assert passed == event(chunk("a")) + said
    assert answer == Answer(id="chatcmpl-1", model="gpt-4o-mini-2024")
    assert not done


def test_an_error_event_marks_the_answer_as_failed_and_is_passed_on() -> None:
    failed = event({"error": {"message": "overloaded", "type": "server_error"}})
    passed, answer, done = read_stream([event(chunk("a")), failed], strip_usage=True)
    assert passed.endswith(failed)
    assert answer.failed
    assert not done


def test_an_error_member_that_is_null_is_no_error() -> None:
    """Some compatible servers send every member of their schema."""
    _, answer, _ = read_stream(
        [event(chunk("a", error=None)), event(chunk("b", "stop", error=None))], strip_usage=True
    )
    assert not answer.failed
    assert answer.finish_reasons == ("stop",)


@given(st.binary(max_size=60).map(lambda junk: b"data: " + junk + b"\n\n"))
def test_events_that_make_no_sense_are_passed_on_and_teach_nothing(junk: bytes) -> None:
    passed, _ = PROVIDER.reader(Answer(), strip_usage=True).read_events(junk)
    assert passed == junk


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(["id", "model", "choices", "usage", "error"]),
        ODD | st.just([{"finish_reason": "stop"}]) | st.dictionaries(st.just("prompt_tokens"), ODD),
    )
)
def test_an_answer_of_any_shape_is_read_or_said_to_be_bad(document: dict[str, Any]) -> None:
    try:
        answer = read_answer(document)
    except BadAnswer:
        assert document.get("choices") == [] or not isinstance(document.get("choices"), list)
    else:
        assert answer.input_tokens is None or answer.input_tokens >= 0
    PROVIDER.reader(Answer(), strip_usage=True).read_events(event(document))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b"{}", b'{"choices":{}}', b'{"choices":[]}', b"\xff", b"[" * 100_000],
)
def test_what_is_no_completion_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        PROVIDER.read_answer(body, Answer())


def test_a_completion_says_what_it_is() -> None:
    answer = read_answer(completion())
    assert (answer.id, answer.finish_reasons, answer.input_tokens) == ("chatcmpl-1", ("stop",), 1000)


@pytest.mark.parametrize("count", [-1, True, 1.5, "5", None, 2**53, 10**400, []])
def test_a_count_that_is_none_is_not_believed(count: Any) -> None:
    answer = read_answer(completion(usage={"prompt_tokens": count}))
    assert answer.input_tokens is None


@pytest.mark.parametrize(
    ("body", "message", "param"),
    [
        (b'{"error":{"message":"no such field","param":"tools"}}', "no such field", "tools"),
        (b'{"error":{"message":"bad","param":5}}', "bad", None),
        (b'{"error":"plain"}', "plain", None),
        (b'{"error":{"message":"' + b"x" * 5000 + b'"}}', "x" * 1000, None),
        (b'{"error":{"message":5}}', "no reason given", None),
        (b'{"error":null}', "no reason given", None),
        (b"{}", "no reason given", None),
        (b"[]", "no reason given", None),
        (b"<html>Bad Request</html>", "no reason given", None),
        (b"", "no reason given", None),
    ],
)
def test_the_message_of_an_error_is_found_where_there_is_one(
    body: bytes, message: str, param: str | None
) -> None:
    assert PROVIDER.error_message(body) == (message, param)


def call(access: ProviderAccess | None = None, **changes: Any) -> tuple[dict[str, Any], dict[str, str]]:
    chat = ChatRequest.parse({**CHAT_BODY, **changes})
    built = PROVIDER.build_call(access or make_settings().providers["openai"], ROUTE, chat)
    assert built.url == "https://upstream.example/v1/chat/completions"
    return json.loads(built.body), dict(built.headers)


def test_the_body_goes_out_as_it_came_but_for_the_model() -> None:
    body, headers = call(seed=7, response_format={"type": "json_object"})
    assert body == {
        **CHAT_BODY,
        "seed": 7,
        "response_format": {"type": "json_object"},
        "model": "gpt-4o-mini",
    }
    assert headers["authorization"] == "Bearer sk-provider-secret"
    assert headers["accept"] == "application/json"


def test_a_stream_is_always_asked_for_its_usage() -> None:
    body, headers = call(stream=True)
    assert body["stream_options"] == {"include_usage": True}
    assert headers["accept"] == "text/event-stream"
    body, _ = call(stream=True, stream_options={"include_usage": False, "x": 1})
    assert body["stream_options"] == {"include_usage": True, "x": 1}


def test_a_provider_without_a_key_is_sent_none() -> None:
    _, headers = call(ProviderAccess(name="openai", base_url="https://upstream.example/v1"))
    assert "authorization" not in headers


def test_text_that_utf8_cannot_carry_goes_out_all_the_same() -> None:
    body, _ = call(messages=[{"role": "user", "content": "\ud800"}])
    assert body["messages"][0]["content"] == "\ud800"
