"""The official `openai` client, used as an application developer uses it."""

from __future__ import annotations

import uuid

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.blackbox.conftest import API_KEY, Stage

MODEL = "gpt-4o-mini"


def ask(text: str = "") -> list[ChatCompletionMessageParam]:
    """A prompt that no cache has seen."""
    return [{"role": "user", "content": f"{text} {uuid.uuid4()}"}]


def test_a_chat_is_answered_with_usage(stage: Stage) -> None:
    with stage.openai() as client:
        answer = client.chat.completions.create(model=MODEL, messages=ask("Say hello."))
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_is_the_same_answer_in_pieces(staged: Stage) -> None:
    messages = ask("Tell me about the edge.")
    with staged.openai() as client:
        whole = client.chat.completions.create(model=MODEL, messages=messages)
        chunks = list(client.chat.completions.create(model=MODEL, messages=messages, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_stream_has_usage_when_asked_and_only_then(stage: Stage) -> None:
    with stage.openai() as client:
        plain = list(client.chat.completions.create(model=MODEL, messages=ask(), stream=True))
        asked = list(
            client.chat.completions.create(
                model=MODEL,
                messages=ask(),
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    assert all(chunk.usage is None and chunk.choices for chunk in plain)
    assert asked[-1].usage is not None
    assert asked[-1].choices == []


def test_the_models_are_listed(stage: Stage) -> None:
    with stage.openai() as client:
        names = [model.id for model in client.models.list()]
    assert MODEL in names
    assert names == sorted(names)


def test_an_api_key_opens_the_door_too(staged: Stage) -> None:
    with staged.openai(api_key=API_KEY) as client:
        answer = client.chat.completions.create(model=MODEL, messages=ask())
    assert answer.choices


@pytest.mark.parametrize("key", ["junk", "a.b.c", ".."])
def test_a_bad_key_is_an_authentication_error(stage: Stage, key: str) -> None:
    with stage.openai(api_key=key) as client, pytest.raises(openai.AuthenticationError) as caught:
        client.models.list()
    assert caught.value.request_id
    assert caught.value.code


def test_bad_parameters_are_a_bad_request_error_that_names_them(stage: Stage) -> None:
    with stage.openai() as client, pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=ask(), temperature=9)
    assert caught.value.param == "temperature"


def test_an_unknown_model_is_not_found_and_the_closest_is_named(stage: Stage) -> None:
    with stage.openai() as client, pytest.raises(openai.NotFoundError, match=MODEL) as caught:
        client.chat.completions.create(model="gpt-4o-minni", messages=ask())
    assert caught.value.code == "model_not_found"


def test_a_rate_limited_provider_is_a_rate_limit_error_with_its_patience(staged: Stage) -> None:
    messages = ask("[[mock fault=status-429 retry-after=7]]")
    with staged.openai() as client, pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model=MODEL, messages=messages)
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.code == "upstream_rate_limited"


def test_what_the_provider_refuses_is_told_with_its_words(staged: Stage) -> None:
    messages = ask("[[mock fault=status-400]]")
    with staged.openai() as client, pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=messages)
    assert caught.value.code == "upstream_refused"


def test_a_stream_that_breaks_raises_in_the_client(staged: Stage) -> None:
    messages = ask("[[mock fault=half-event after=2]]")
    with staged.openai() as client, pytest.raises(openai.APIError):
        for _ in client.chat.completions.create(model=MODEL, messages=messages, stream=True):
            pass
