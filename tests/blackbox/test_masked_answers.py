"""Personal data in what a model says is masked on its way out, at both doors, streamed or not, on both runtimes.

The model here is a server of its own that quotes the prompt and adds other people's data, a character an event.
Prompts are tokenised as well: what the callers sent themselves comes back to them.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import httpx
import pytest

from tests.blackbox.conftest import PATIENCE, Stage, stage_with

MODEL = "gpt-4o-mini"
OTHERS = "Ask bob@example.org, 090-1234-5678 or 4111 1111 1111 1111."
MASKED = "Ask [email], [phone] or [card]."
MAIL = "ada@example.com"
TOOL = {"name": "mail", "description": "Sends mail.", "parameters": {"type": "object", "properties": {}}}


class Model(BaseHTTPRequestHandler):
    """Says what it was asked and more; with tools, it calls one with that."""

    protocol_version = "HTTP/1.1"
    prompts: list[str]

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        content = body["messages"][-1]["content"]
        prompt = content if isinstance(content, str) else "".join(part["text"] for part in content)
        type(self).prompts.append(prompt)
        text = f"{prompt} {OTHERS}"
        identity: dict[str, Any] = {"id": "chatcmpl-1", "created": 1, "model": MODEL}
        message: dict[str, Any] = {"role": "assistant", "reasoning_content": OTHERS, "content": text}
        deltas: list[dict[str, Any]] = [{"reasoning_content": sign} for sign in OTHERS]
        finish = "stop"
        if body.get("tools"):
            finish, arguments = "tool_calls", json.dumps({"to": text, "card": 4111111111111111})
            call = {"id": "call_1", "type": "function", "function": {"name": "mail", "arguments": arguments}}
            message |= {"content": None, "tool_calls": [call]}
            deltas.append({"tool_calls": [{"index": 0, **call, "function": {"name": "mail"}}]})
            deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": sign}}]} for sign in arguments]
        else:
            deltas += [{"content": sign} for sign in text]
        if not body.get("stream"):
            usage: dict[str, int] = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
            choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish}
            whole: dict[str, Any] = {
                **identity,
                "object": "chat.completion",
                "choices": [choice],
                "usage": usage,
            }
            self._send("application/json", json.dumps(whole).encode())
            return
        base = {**identity, "object": "chat.completion.chunk"}
        choices: list[Any] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        choices.append({"index": 0, "delta": {}, "finish_reason": finish})
        events = [f"data: {json.dumps({**base, 'choices': [choice]})}\n\n" for choice in choices]
        self._send("text/event-stream", "".join([*events, "data: [DONE]\n\n"]).encode())

    def _send(self, content_type: str, raw: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    Model.prompts = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


@pytest.fixture(scope="module", params=["embedded", "pyodide"])
def masking(request: pytest.FixtureRequest, model_url: str) -> Iterator[Stage]:
    own = {"OPENAI_BASE_URL": model_url, "PRIVACY_ANSWERS": "mask", "PRIVACY_POLICY": "tokens"}
    with stage_with(request.param, own) as running:
        yield running


@pytest.fixture
def prompt() -> str:
    """Asked for the first time, so that no cache knows the answer."""
    return f"Write to {MAIL}, case {uuid.uuid4().hex[:6]}x."


def claude(stage: Stage) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=stage.url, auth_token=stage.token(), max_retries=0, timeout=PATIENCE)


@pytest.mark.parametrize("stream", [False, True])
def test_openais_client_reads_a_masked_answer_with_its_own_values(
    masking: Stage, prompt: str, stream: bool
) -> None:
    messages: list[Any] = [{"role": "user", "content": prompt}]
    with masking.openai() as client:
        if not stream:
            message = client.chat.completions.create(model=MODEL, messages=messages).choices[0].message
            text, thoughts = message.content, getattr(message, "reasoning_content", None)
        else:
            with client.chat.completions.create(model=MODEL, messages=messages, stream=True) as chunks:
                deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
            text = "".join(delta.content or "" for delta in deltas)
            thoughts = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert text == f"{prompt} {MASKED}"
    assert thoughts == MASKED
    assert MAIL not in Model.prompts[-1], "the model was given a token"


@pytest.mark.parametrize("stream", [False, True])
def test_openais_client_reads_masked_arguments(masking: Stage, prompt: str, stream: bool) -> None:
    messages: list[Any] = [{"role": "user", "content": prompt}]
    tools: list[Any] = [{"type": "function", "function": TOOL}]
    with masking.openai() as client:
        if not stream:
            answer = client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
            called: Any = answer.choices[0].message.tool_calls
        else:
            with client.chat.completions.stream(model=MODEL, messages=messages, tools=tools) as events:
                called = events.get_final_completion().choices[0].message.tool_calls
    (call,) = called
    assert json.loads(call.function.arguments) == {"to": f"{prompt} {MASKED}", "card": "[card]"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tools", [False, True])
def test_anthropics_client_reads_a_masked_answer_with_its_own_values(
    masking: Stage, prompt: str, stream: bool, tools: bool
) -> None:
    asked: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 500,
        "messages": [{"role": "user", "content": prompt}],
    }
    if tools:
        asked["tools"] = [{"name": "mail", "input_schema": {"type": "object", "properties": {}}}]
    with claude(masking) as client:
        if stream:
            with client.messages.stream(**asked) as events:
                message = events.get_final_message()
        else:
            message = client.messages.create(**asked)
    thoughts, said = message.content
    assert thoughts.type == "thinking"
    assert thoughts.thinking == MASKED
    if tools:
        assert said.type == "tool_use"
        assert said.input == {"to": f"{prompt} {MASKED}", "card": "[card]"}
    else:
        assert said.type == "text"
        assert said.text == f"{prompt} {MASKED}"


def test_what_the_cache_keeps_is_masked_in_either_form(masking: Stage, prompt: str) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}]}
    url, headers = f"{masking.url}/v1/chat/completions", masking.headers()
    first = httpx.post(url, json=body, headers=headers, timeout=PATIENCE)
    again = httpx.post(url, json=body | {"stream": True}, headers=headers, timeout=PATIENCE)
    assert again.headers["x-lumigate-cache"].startswith("hit-")
    for answer in (first, again):
        assert "bob@example.org" not in answer.text
        assert "[email]" in answer.text
        assert MAIL in answer.text
