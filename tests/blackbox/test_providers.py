"""Every provider behind every door, through the official clients."""

from __future__ import annotations

import json
import uuid
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.blackbox.conftest import PATIENCE, Stage

MODELS = {
    "openai": "gpt-4o-mini",
    "anthropic": "claude-sonnet-5-5",
    "google": "gemini-3.8-flash",
    "cohere": "command-a-03-2025",
    "mistral": "mistral-small-latest",
}
EACH = pytest.mark.parametrize("provider", MODELS)
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def fresh(text: str = "Say hello.") -> str:
    """A prompt that no cache has seen."""
    return f"{text} {uuid.uuid4()}"


def claude(stage: Stage) -> anthropic.Anthropic:
    """The official client, pointed here, without retries of its own."""
    return anthropic.Anthropic(
        base_url=stage.url, auth_token=stage.token(), api_key=None, max_retries=0, timeout=PATIENCE
    )


# --- OpenAI's door


@EACH
def test_openais_client_gets_an_answer_and_its_usage(staged: Stage, provider: str) -> None:
    with staged.openai() as client:
        raw = client.chat.completions.with_raw_response.create(
            model=MODELS[provider], messages=[{"role": "user", "content": fresh()}]
        )
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0
    assert raw.headers["x-lumigate-provider"] == provider
    event = staged.event(raw.headers["x-request-id"])
    assert (event["provider"], event["input_tokens"]) == (provider, answer.usage.prompt_tokens)


@EACH
def test_openais_client_gets_a_stream_that_adds_up_to_the_answer(staged: Stage, provider: str) -> None:
    prompt = fresh()
    with staged.openai() as client:
        whole = client.chat.completions.create(
            model=MODELS[provider], messages=[{"role": "user", "content": prompt}]
        )
        chunks = list(
            client.chat.completions.create(
                model=MODELS[provider],
                messages=[{"role": "user", "content": prompt}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == [
        "stop"
    ]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage == whole.usage or provider == "mistral"


@EACH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_openais_client_is_asked_to_call_a_tool(staged: Stage, provider: str, stream: bool) -> None:
    tool: Any = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}
    asked: Any = {
        "model": MODELS[provider],
        "messages": [{"role": "user", "content": fresh()}],
        "tools": [tool],
        "tool_choice": "required",
    }
    with staged.openai() as client:
        if stream:
            with client.chat.completions.stream(**asked) as events:
                choice: Any = events.get_final_completion().choices[0]
        else:
            choice = client.chat.completions.create(**asked).choices[0]
    (call,) = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Köln"}


@pytest.mark.parametrize("provider", ["anthropic", "google", "cohere", "mistral"])
def test_what_a_provider_cannot_do_is_a_400_that_names_it(staged: Stage, provider: str) -> None:
    with staged.openai() as client, pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model=MODELS[provider], messages=[{"role": "user", "content": "hi"}], logit_bias={"1": 5}
        )
    assert caught.value.code == "unsupported_by_provider"
    assert caught.value.param == "logit_bias"
    assert f"{provider} cannot do this" in str(caught.value)


# --- Anthropic's door


@EACH
def test_anthropics_client_gets_an_answer_and_its_usage(staged: Stage, provider: str) -> None:
    with claude(staged) as client:
        message = client.messages.create(
            model=MODELS[provider],
            max_tokens=100,
            system="Be brief.",
            messages=[{"role": "user", "content": fresh()}],
        )
    (block,) = message.content
    assert block.type == "text"
    assert block.text
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


@EACH
def test_anthropics_client_gets_a_stream_that_adds_up_to_the_answer(staged: Stage, provider: str) -> None:
    asked: Any = {
        "model": MODELS[provider],
        "max_tokens": 100,
        "messages": [{"role": "user", "content": fresh()}],
    }
    with claude(staged) as client:
        whole = client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
    (said,), (block,) = final.content, whole.content
    assert said.type == block.type == "text"
    assert text == said.text == block.text
    assert final.stop_reason == whole.stop_reason == "end_turn"
    assert final.usage.input_tokens == whole.usage.input_tokens
    assert final.usage.output_tokens == whole.usage.output_tokens


@EACH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_anthropics_client_uses_a_tool(staged: Stage, provider: str, stream: bool) -> None:
    asked: Any = {
        "model": MODELS[provider],
        "max_tokens": 100,
        "messages": [{"role": "user", "content": fresh()}],
        "tools": [{"name": "get_weather", "input_schema": PARAMETERS}],
        "tool_choice": {"type": "any"},
    }
    with claude(staged) as client:
        if stream:
            with client.messages.stream(**asked) as events:
                message = events.get_final_message()
        else:
            message = client.messages.create(**asked)
        assert message.stop_reason == "tool_use"
        use = next(block for block in message.content if block.type == "tool_use")
        assert (use.name, use.input) == ("get_weather", {"city": "Köln"})
        result = {"type": "tool_result", "tool_use_id": use.id, "content": "21 degrees"}
        del asked["tool_choice"]
        asked["messages"] += [
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": use.id, "name": use.name, "input": use.input}],
            },
            {"role": "user", "content": [result]},
        ]
        assert client.messages.create(**asked).stop_reason in ("end_turn", "tool_use")


@EACH
def test_an_answer_that_was_cut_short_says_so(staged: Stage, provider: str) -> None:
    with claude(staged) as client:
        message = client.messages.create(
            model=MODELS[provider], max_tokens=2, messages=[{"role": "user", "content": fresh()}]
        )
    assert message.stop_reason == "max_tokens"


def test_anthropics_client_reads_our_errors(staged: Stage) -> None:
    with claude(staged) as client:
        with pytest.raises(anthropic.NotFoundError) as unknown:
            client.messages.create(
                model="claude-9", max_tokens=5, messages=[{"role": "user", "content": "x"}]
            )
        with pytest.raises(anthropic.BadRequestError) as bad:
            client.messages.create(
                model=MODELS["openai"], max_tokens=0, messages=[{"role": "user", "content": "x"}]
            )
    assert unknown.value.body["type"] == "error"  # type: ignore[index]
    assert unknown.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]
    assert unknown.value.request_id
    assert "max_tokens" in str(bad.value)
    stranger = anthropic.Anthropic(base_url=staged.url, api_key="junk", max_retries=0)
    with stranger, pytest.raises(anthropic.AuthenticationError):
        stranger.messages.create(
            model=MODELS["openai"], max_tokens=5, messages=[{"role": "user", "content": "x"}]
        )


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "cohere"])
def test_a_stream_that_breaks_raises_in_anthropics_client(staged: Stage, provider: str) -> None:
    prompt = fresh("[[mock fault=half-event after=4]]")
    asked: Any = {"max_tokens": 100, "messages": [{"role": "user", "content": prompt}]}
    with (
        claude(staged) as client,
        pytest.raises(anthropic.APIError),
        client.messages.stream(model=MODELS[provider], **asked) as stream,
    ):
        stream.get_final_message()


def test_what_only_anthropic_can_do_is_a_400_elsewhere_and_passes_there(staged: Stage) -> None:
    tool: Any = {"type": "web_search_20250305", "name": "web_search"}
    asked: Any = {"max_tokens": 50, "messages": [{"role": "user", "content": fresh()}], "tools": [tool]}
    with claude(staged) as client:
        with pytest.raises(
            anthropic.BadRequestError, match=r"cannot do this: a tool that runs at the provider"
        ):
            client.messages.create(model=MODELS["openai"], **asked)
        assert client.messages.create(model=MODELS["anthropic"], **asked).content


# --- embeddings and the list of models


def test_embeddings_come_as_openais_client_wants_them(staged: Stage) -> None:
    with staged.openai() as client:
        answer = client.embeddings.create(model="text-embedding-3-small", input=["a", fresh()], dimensions=8)
        plain = client.embeddings.create(model="text-embedding-3-small", input="a", encoding_format="float")
    assert [len(item.embedding) for item in answer.data] == [8, 8]
    assert len(plain.data[0].embedding) == 1536
    assert answer.usage.prompt_tokens > 0


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [1.5]}, "input.0"),
        ({"input": "x", "dimensions": 0}, "dimensions"),
        ({"input": "x", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "x", "model": 5}, "model"),
    ],
)
def test_bad_input_for_embeddings_is_a_400(
    staged: Stage, http: httpx.Client, body: dict[str, Any], param: str
) -> None:
    answer = http.post(
        "/v1/embeddings", json={"model": "text-embedding-3-small", **body}, headers=staged.headers()
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_provider_without_embeddings_says_so(staged: Stage) -> None:
    with (
        staged.openai() as client,
        pytest.raises(openai.BadRequestError, match="anthropic cannot do this: embeddings"),
    ):
        client.embeddings.create(model=MODELS["anthropic"], input="x")


def test_every_model_is_listed_with_its_provider(staged: Stage) -> None:
    with staged.openai() as client:
        owners = {model.id: model.owned_by for model in client.models.list()}
    assert {model: owners[model] for model in MODELS.values()} == {model: p for p, model in MODELS.items()}


def test_anthropics_client_lists_the_models_too(staged: Stage) -> None:
    with claude(staged) as client:
        names = [model.id for model in client.models.list()]
    assert set(MODELS.values()) <= set(names)


# --- retries and fallback


def test_a_provider_that_recovers_is_asked_again(staged: Stage, http: httpx.Client) -> None:
    body = {
        "model": MODELS["openai"],
        "messages": [{"role": "user", "content": fresh("[[mock fault=status-503 times=1]]")}],
    }
    answer = http.post("/v1/chat/completions", json=body, headers=staged.headers())
    assert (answer.status_code, answer.headers["x-lumigate-attempts"]) == (200, "2")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", ["status-500", "reset", "html"])
def test_when_the_first_candidate_fails_another_answers(
    staged: Stage, http: httpx.Client, fault: str, stream: bool
) -> None:
    """`auto` stands for a model of each provider."""
    assert staged.upstream is not None
    staged.upstream.clear()  # `times=` counts by the directive's text
    directive = f"[[mock fault={fault} times={1 if fault == 'html' else 2}]]"
    body = {"model": "auto", "messages": [{"role": "user", "content": fresh(directive)}], "stream": stream}
    answer = http.post("/v1/chat/completions", json=body, headers=staged.headers())
    assert answer.status_code == 200
    event = staged.event(answer.headers["x-request-id"])
    assert (event["outcome"], event["fallbacks"]) == ("complete", 1)
    assert event["trace_kept"] is True
    assert event["provider"] == answer.headers["x-lumigate-provider"]


# --- faults


def test_an_answer_of_ten_megabytes_passes(staged: Stage, http: httpx.Client) -> None:
    body = {
        "model": MODELS["openai"],
        "messages": [{"role": "user", "content": fresh("[[mock fault=huge bytes=10000000]]")}],
    }
    answer = http.post("/v1/chat/completions", json=body, headers=staged.headers())
    assert answer.status_code == 200
    assert len(answer.content) > 9_900_000


def test_two_thousand_messages_reach_the_provider(staged: Stage, http: httpx.Client) -> None:
    turns = [{"role": "assistant" if n % 2 else "user", "content": f"turn {n}"} for n in range(2000)]
    body = {"model": MODELS["anthropic"], "messages": [*turns, {"role": "user", "content": fresh()}]}
    assert http.post("/v1/chat/completions", json=body, headers=staged.headers()).status_code == 200


@EACH
@pytest.mark.parametrize("fault", ["half-event", "split", "reset-mid"])
def test_a_stream_that_misbehaves_ends_with_its_true_outcome(
    staged: Stage, http: httpx.Client, provider: str, fault: str
) -> None:
    prompt = fresh(f"[[mock fault={fault} after=6 bytes=7]]")
    body = {"model": MODELS[provider], "messages": [{"role": "user", "content": prompt}], "stream": True}
    answer = http.post("/v1/chat/completions", json=body, headers=staged.headers())
    assert answer.status_code == 200
    outcome = staged.event(answer.headers["x-request-id"])["outcome"]
    assert outcome == ("complete" if fault == "split" else "upstream_error")
    assert answer.text.endswith("\n\n")
    assert ("[DONE]" in answer.text) is (fault == "split")
    assert "\ufffd" not in answer.text
