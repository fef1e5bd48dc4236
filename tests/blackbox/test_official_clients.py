"""What the official clients call beside a plain chat, and what they read when a call is none of ours."""

from __future__ import annotations

import json
import uuid
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.blackbox.conftest import PATIENCE, Stage

MODEL, CLAUDE = "gpt-4o-mini", "claude-sonnet-5-5"


def claude(stage: Stage) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        base_url=stage.url, auth_token=stage.token(), api_key=None, max_retries=0, timeout=PATIENCE
    )


def fresh() -> list[Any]:
    """A prompt that no cache has seen."""
    return [{"role": "user", "content": f"Say hello. {uuid.uuid4()}"}]


def test_both_clients_look_up_one_model(staged: Stage) -> None:
    with staged.openai() as client:
        assert client.models.retrieve(MODEL) in client.models.list().data
        with pytest.raises(openai.NotFoundError) as missing:
            client.models.retrieve("gpt-4o-minni")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with claude(staged) as client_of_anthropic:
        assert client_of_anthropic.models.retrieve(MODEL) in client_of_anthropic.models.list().data
        with pytest.raises(anthropic.NotFoundError) as unknown:
            client_of_anthropic.models.retrieve("nobody/nothing")
    assert unknown.value.request_id


def test_openais_client_reads_that_other_routes_are_not_there(stage: Stage) -> None:
    with stage.openai() as client:
        for call in (
            lambda: client.responses.create(model=MODEL, input="hi"),
            lambda: client.completions.create(model=MODEL, prompt="hi"),
            lambda: client.moderations.create(input="hi"),
            client.files.list,
        ):
            with pytest.raises(openai.NotFoundError) as caught:
                call()
            assert caught.value.code == "unknown_route"
            assert caught.value.request_id


def test_anthropics_client_reads_it_in_its_own_words(stage: Stage) -> None:
    with claude(stage) as client:
        for call in (
            lambda: client.messages.count_tokens(model=CLAUDE, messages=fresh()),
            client.messages.batches.list,
            client.beta.files.list,
        ):
            with pytest.raises(anthropic.NotFoundError) as caught:
                call()
            assert caught.value.request_id
            body: Any = caught.value.body
            assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")


def test_anthropics_client_reads_why_it_was_not_let_in_wherever_it_asks(stage: Stage) -> None:
    with anthropic.Anthropic(base_url=stage.url, api_key="junk", max_retries=0, timeout=PATIENCE) as client:
        with pytest.raises(anthropic.AuthenticationError) as caught:
            client.models.list()
        assert caught.value.request_id
        assert caught.value.type == "authentication_error"


@pytest.mark.parametrize("model", [MODEL, CLAUDE])
@pytest.mark.parametrize("first", ["stream", "whole"])
def test_a_cached_message_answers_for_a_stream_and_a_stream_for_a_message(
    staged: Stage, model: str, first: str
) -> None:
    asked: Any = {"model": model, "max_tokens": 50, "messages": fresh()}

    def streamed() -> tuple[Any, str]:
        with client.messages.stream(**asked) as stream:
            return stream.get_final_message(), stream.response.headers["x-lumigate-cache"]

    def whole() -> tuple[Any, str]:
        raw = client.messages.with_raw_response.create(**asked)
        return raw.parse(), raw.headers["x-lumigate-cache"]

    order = (streamed, whole) if first == "stream" else (whole, streamed)
    with claude(staged) as client:
        (message, missed), (again, hit) = order[0](), order[1]()
    assert (missed, hit) == ("miss", "hit-l1")
    assert again.content[0].text == message.content[0].text
    assert (again.id, again.stop_reason, again.usage.output_tokens) == (
        message.id,
        message.stop_reason,
        message.usage.output_tokens,
    )


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"max_tokens": 10**400}, "max_tokens"),
        ({"tools": "all"}, "tools"),
        ({"metadata": 5}, "metadata"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages.0.content.0"),
    ],
)
def test_a_field_of_a_wrong_kind_is_named_at_both_doors(
    stage: Stage, http: httpx.Client, path: str, changes: dict[str, Any], param: str
) -> None:
    body = {"model": MODEL, "max_tokens": 5, "messages": fresh(), **changes}
    headers = stage.headers(**{"content-type": "application/json"})
    answer = http.post(path, content=json.dumps(body), headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_compressed_body_is_told_so(stage: Stage, http: httpx.Client) -> None:
    headers = stage.headers(**{"content-type": "application/json", "content-encoding": "gzip"})
    answer = http.post("/v1/chat/completions", content=b"\x1f\x8b", headers=headers)
    assert answer.status_code == 415
    assert "content-encoding" in answer.json()["error"]["message"]
