"""The mock's answers in the shapes of Anthropic, Gemini and Cohere: whole, and as the events of a stream.

Shapes as in `tests/llm/fixtures`. Each function takes what the model says as pieces, one a chunk.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the model says. `tool` is the name of a function that it calls instead of saying anything."""

    model: str
    prompt_tokens: int
    pieces: Sequence[str]
    cut: bool = False
    tool: str = ""

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one provider reads requests and writes answers."""

    prompt: Callable[[Mapping[str, Any]], str]
    limit: Callable[[Mapping[str, Any]], int | None]
    tool: Callable[[Mapping[str, Any]], str]
    whole: Callable[[Said], dict[str, Any]]
    events: Callable[[Said], list[bytes]]


def _text_of(content: Any, member: str = "text") -> str:
    if isinstance(content, str):
        return content
    return " ".join(str(part.get(member) or "") for part in content or ())


def _event(document: Mapping[str, Any], *, named: bool = False) -> bytes:
    name = f"event: {document['type']}\n" if named else ""
    return f"{name}data: {json.dumps(document, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


# --- Anthropic


def _anthropic_prompt(body: Mapping[str, Any]) -> str:
    return "\n".join(_text_of(message["content"]) for message in body["messages"])


def _anthropic_tool(body: Mapping[str, Any]) -> str:
    forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
    return str(body["tools"][0]["name"]) if forced else ""


def _anthropic_message(said: Said) -> dict[str, Any]:
    if said.tool:
        content: list[dict[str, Any]] = [
            {
                "type": "tool_use",
                "id": f"toolu_mock{next(_NUMBERS):06d}",
                "name": said.tool,
                "input": {"city": "Köln"},
            }
        ]
    else:
        content = [{"type": "text", "text": said.text}]
    usage = {"input_tokens": said.prompt_tokens, "output_tokens": len(said.pieces)}
    usage |= {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {
        "id": f"msg_mock{next(_NUMBERS):08d}",
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": content,
        "stop_reason": "tool_use" if said.tool else "max_tokens" if said.cut else "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }


def _anthropic_events(said: Said) -> list[bytes]:
    message = _anthropic_message(said)
    (block,) = message["content"]
    usage = message["usage"]
    start = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    if said.tool:
        empty = {**block, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in ("", '{"city":', ' "Köln"}')]
    else:
        empty = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in said.pieces]
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    documents: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": empty},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ending, "usage": {"output_tokens": usage["output_tokens"]}},
        {"type": "message_stop"},
    ]
    return [_event(document, named=True) for document in documents]


# --- Gemini


def _google_prompt(body: Mapping[str, Any]) -> str:
    return "\n".join(_text_of(turn["parts"]) for turn in body["contents"])


def _google_tool(body: Mapping[str, Any]) -> str:
    config = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    return str(body["tools"][0]["functionDeclarations"][0]["name"]) if config.get("mode") == "ANY" else ""


def _google_chunk(said: Said, parts: list[dict[str, Any]], *, last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if last:
        candidate["finishReason"] = "MAX_TOKENS" if said.cut else "STOP"
    output = len(said.pieces)
    usage = {"promptTokenCount": said.prompt_tokens, "candidatesTokenCount": output}
    usage["totalTokenCount"] = said.prompt_tokens + output
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": said.model,
        "responseId": f"mock{next(_NUMBERS):08d}",
    }


def _google_parts(said: Said) -> list[dict[str, Any]]:
    if said.tool:
        return [
            {"functionCall": {"name": said.tool, "args": {"city": "Köln"}}, "thoughtSignature": "bW9jaw=="}
        ]
    return [{"text": piece} for piece in said.pieces]


def _google_whole(said: Said) -> dict[str, Any]:
    parts = _google_parts(said)
    return _google_chunk(said, parts if said.tool else [{"text": said.text}], last=True)


def _google_events(said: Said) -> list[bytes]:
    parts = _google_parts(said)
    chunks = [_google_chunk(said, [part], last=part is parts[-1]) for part in parts]
    identity = chunks[0]["responseId"]
    return [_event({**chunk, "responseId": identity}).replace(b"\n", b"\r\n") for chunk in chunks]


# --- Cohere


def _cohere_tool(body: Mapping[str, Any]) -> str:
    return str(body["tools"][0]["function"]["name"]) if body.get("tool_choice") == "REQUIRED" else ""


def _cohere_usage(said: Said) -> dict[str, Any]:
    counts = {"input_tokens": said.prompt_tokens, "output_tokens": len(said.pieces)}
    return {"billed_units": counts, "tokens": counts}


def _cohere_finish(said: Said) -> str:
    return "TOOL_CALL" if said.tool else "MAX_TOKENS" if said.cut else "COMPLETE"


def _cohere_call(said: Said, arguments: str) -> dict[str, Any]:
    function = {"name": said.tool, "arguments": arguments}
    return {"id": f"{said.tool}_mock", "type": "function", "function": function}


def _cohere_whole(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant"}
    if said.tool:
        message |= {"tool_plan": "I will ask.", "tool_calls": [_cohere_call(said, '{"city":"Köln"}')]}
    else:
        message["content"] = [{"type": "text", "text": said.text}]
    identity = f"mock-{next(_NUMBERS):08d}"
    return {
        "id": identity,
        "finish_reason": _cohere_finish(said),
        "message": message,
        "usage": _cohere_usage(said),
    }


def _cohere_events(said: Said) -> list[bytes]:
    def within(message: Mapping[str, Any]) -> dict[str, Any]:
        return {"delta": {"message": message}}

    documents: list[dict[str, Any]] = [
        {"id": f"mock-{next(_NUMBERS):08d}", "type": "message-start", **within({"role": "assistant"})}
    ]
    if said.tool:
        rest = {"function": {"arguments": '{"city":"Köln"}'}}
        documents += [
            {"type": "tool-plan-delta", **within({"tool_plan": "I will ask."})},
            {"type": "tool-call-start", "index": 0, **within({"tool_calls": _cohere_call(said, "")})},
            {"type": "tool-call-delta", "index": 0, **within({"tool_calls": rest})},
            {"type": "tool-call-end", "index": 0},
        ]
    else:
        documents.append(
            {"type": "content-start", "index": 0, **within({"content": {"type": "text", "text": ""}})}
        )
        documents += [
            {"type": "content-delta", "index": 0, **within({"content": {"text": piece}})}
            for piece in said.pieces
        ]
        documents.append({"type": "content-end", "index": 0})
    ending = {"finish_reason": _cohere_finish(said), "usage": _cohere_usage(said)}
    documents.append({"type": "message-end", "delta": ending})
    return [_event(document) for document in documents]


ANTHROPIC = Shape(
    prompt=_anthropic_prompt,
    limit=lambda body: body["max_tokens"],
    tool=_anthropic_tool,
    whole=_anthropic_message,
    events=_anthropic_events,
)
GOOGLE = Shape(
    prompt=_google_prompt,
    limit=lambda body: (body.get("generationConfig") or {}).get("maxOutputTokens"),
    tool=_google_tool,
    whole=_google_whole,
    events=_google_events,
)
COHERE = Shape(
    prompt=lambda body: "\n".join(_text_of(message.get("content")) for message in body["messages"]),
    limit=lambda body: body.get("max_tokens"),
    tool=_cohere_tool,
    whole=_cohere_whole,
    events=_cohere_events,
)
