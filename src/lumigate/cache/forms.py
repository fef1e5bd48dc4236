"""A cached answer in the form that is asked for: a stream as a whole answer, a whole answer as a stream.

Canonical form here (OpenAI's words), Anthropic's in `anthropic_forms`; what is not understood gives None, and the model
is asked. A stream that is replayed to someone who wants its usage told, and was kept without, gets it from what the
cache knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lumigate import strict_json
from lumigate.cache.anthropic_forms import as_events, as_message, is_anthropics
from lumigate.cache.entry import Entry
from lumigate.http.sse import event_data, split_events
from lumigate.llm.canonical import DONE_EVENT, encode
from lumigate.llm.provider import mapping, sequence

_ENVELOPE = ("id", "created", "model", "system_fingerprint", "service_tier")
_WORDS = frozenset({"content", "refusal", "reasoning_content", "reasoning", "arguments"})
"""Members of a delta that grow by being appended to; any other text is said once."""


def body_for(entry: Entry, *, stream: bool, wants_usage: bool) -> bytes | None:
    """The entry's bytes as the caller asked for them; those it was kept as where that is the same."""
    if entry.is_stream != stream and is_anthropics(entry):
        return as_events(entry) if stream else as_message(entry)
    if entry.is_stream != stream:
        return as_stream(entry, wants_usage=wants_usage) if stream else as_whole(entry)
    if not stream or entry.usage == wants_usage:
        return entry.body
    return _with_usage(entry) if wants_usage else _without_usage(entry.body)


def as_whole(entry: Entry) -> bytes | None:
    """The `chat.completion` that a stream of chunks amounts to."""
    document: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    usage: Any = None
    for event in split_events(entry.body):
        data = event_data(event).strip()
        if data in (b"", b"[DONE]"):
            continue
        chunk = strict_json.load_object(data)
        if chunk is None or chunk.get("error") is not None:
            return None
        for name in _ENVELOPE:
            if chunk.get(name) is not None:
                document.setdefault(name, chunk[name])
        usage = chunk.get("usage") or usage
        for part in map(mapping, sequence(chunk.get("choices"))):
            _add(choices, part)
    if not choices:
        return None
    document["object"] = "chat.completion"
    document["choices"] = [_choice(index, choices[index]) for index in sorted(choices)]
    document["usage"] = usage or _usage(entry)
    return encode(document)


def as_stream(entry: Entry, *, wants_usage: bool) -> bytes | None:
    """The chunks that a `chat.completion` could have come as: one for each part of each message."""
    document = strict_json.load_object(entry.body)
    if document is None or not isinstance(document.get("choices"), list):
        return None
    envelope = {name: document[name] for name in _ENVELOPE if name in document}
    envelope["object"] = "chat.completion.chunk"
    events: list[bytes] = []

    def send(choices: list[dict[str, Any]], **more: Any) -> None:
        events.append(b"data: " + encode({**envelope, "choices": choices, **more}) + b"\n\n")

    for choice in map(mapping, document["choices"]):
        index, message = choice.get("index", 0), mapping(choice.get("message"))
        send([_delta(index, {"role": message.get("role", "assistant"), "content": ""})])
        rest = {name: value for name, value in message.items() if name != "role" and value is not None}
        calls = rest.pop("tool_calls", None)
        if rest:
            send([_delta(index, rest, logprobs=choice.get("logprobs"))])
        if calls:
            numbered = [{"index": number, **mapping(call)} for number, call in enumerate(sequence(calls))]
            send([_delta(index, {"tool_calls": numbered})])
        send([_delta(index, {}, finish_reason=choice.get("finish_reason"))])
    if wants_usage:
        send([], usage=document.get("usage") or _usage(entry))
    return b"".join(events) + DONE_EVENT


def _delta(
    index: Any, delta: Mapping[str, Any], *, finish_reason: Any = None, logprobs: Any = None
) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}


def _usage(entry: Entry) -> dict[str, int]:
    tokens = {"prompt_tokens": entry.input_tokens, "completion_tokens": entry.output_tokens}
    return tokens | {"total_tokens": entry.input_tokens + entry.output_tokens}


# --- a stream's usage -----------------------------------------------------------------------------------------------


def _with_usage(entry: Entry) -> bytes | None:
    head, done, _ = entry.body.rpartition(DONE_EVENT)
    first = strict_json.load_object(event_data(next(split_events(entry.body), b"")))
    if not done or first is None:
        return None
    envelope = {name: value for name, value in first.items() if name not in ("choices", "usage")}
    return (
        head + b"data: " + encode({**envelope, "choices": [], "usage": _usage(entry)}) + b"\n\n" + DONE_EVENT
    )


def _without_usage(body: bytes) -> bytes:
    kept: list[bytes] = []
    for event in split_events(body):
        if b'"usage"' in event:
            chunk = strict_json.load_object(event_data(event))
            if chunk is not None and "usage" in chunk:
                if not chunk.get("choices"):
                    continue
                del chunk["usage"]
                event = b"data: " + encode(chunk) + b"\n\n"  # noqa: PLW2901 # the same event, less one member
        kept.append(event)
    return b"".join(kept)


# --- from deltas to messages ----------------------------------------------------------------------------------------


def _add(choices: dict[int, dict[str, Any]], part: Mapping[str, Any]) -> None:
    index = part.get("index", 0)
    choice = choices.setdefault(index if isinstance(index, int) else 0, {"message": {}})
    _grow(choice["message"], mapping(part.get("delta")))
    if part.get("finish_reason") is not None:
        choice["finish_reason"] = part["finish_reason"]
    if part.get("logprobs") is not None:
        _grow(choice.setdefault("logprobs", {}), mapping(part["logprobs"]))


def _grow(grown: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name, value in delta.items():
        before = grown.get(name)
        if value is None:
            grown.setdefault(name, None)
        elif isinstance(value, str) and isinstance(before, str):
            grown[name] = before + value if name in _WORDS else value or before
        elif isinstance(value, list) and (before is None or isinstance(before, list)):
            grown[name] = _extended(before or [], value)
        elif isinstance(value, dict) and isinstance(before, dict):
            _grow(before, value)
        else:
            grown[name] = dict(value) if isinstance(value, dict) else value


def _extended(before: list[Any], more: list[Any]) -> list[Any]:
    """Items with an index belong to the one of that index; others come after those that are there."""
    for item in more:
        known = None
        if isinstance(item, dict) and isinstance(item.get("index"), int):
            known = next((i for i in before if isinstance(i, dict) and i.get("index") == item["index"]), None)
        if known is None:
            before.append(json.loads(json.dumps(item)))
        else:
            _grow(known, item)
    return before


def _choice(index: int, choice: Mapping[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": None, "refusal": None, **choice["message"]}
    if message.get("content") == "" and message.get("tool_calls"):
        message["content"] = None
    if isinstance(message.get("tool_calls"), list):
        message["tool_calls"] = [_without_index(call) for call in message["tool_calls"]]
    return {
        "index": index,
        "message": message,
        "logprobs": choice.get("logprobs"),
        "finish_reason": choice.get("finish_reason"),
    }


def _without_index(item: Any) -> Any:
    return {n: v for n, v in item.items() if n != "index"} if isinstance(item, dict) else item
