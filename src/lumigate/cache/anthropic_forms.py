"""A cached answer in Anthropic's words in the form that is asked for: a stream as a `message`, a `message` as a stream.

Shapes: https://docs.claude.com/en/api/messages-streaming. What is not understood (an event or a delta of a kind that
came later) gives None, and the model is asked: an answer with a part missing would be worse than none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lumigate import strict_json
from lumigate.cache.entry import Entry
from lumigate.http.sse import event_data, split_events
from lumigate.llm.canonical import encode
from lumigate.llm.dialects.anthropic_events import event_bytes
from lumigate.llm.provider import mapping, sequence

_TEXTS = {"text_delta": "text", "thinking_delta": "thinking"}
"""Deltas that a member of their block grows by."""
_INPUTS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})


def is_anthropics(entry: Entry) -> bool:
    """Whether the entry was kept at their door."""
    if entry.is_stream:
        first = strict_json.load_object(event_data(next(split_events(entry.body), b"")))
        return mapping(first).get("type") == "message_start"
    return mapping(strict_json.load_object(entry.body)).get("type") == "message"


def as_message(entry: Entry) -> bytes | None:
    """The `message` that a stream of events amounts to."""
    built = _Message()
    for raw in split_events(entry.body):
        data = event_data(raw)
        if not data.strip():
            continue
        event = strict_json.load_object(data)
        if event is None or not built.take(event):
            return None
    return encode(built.document) if built.is_whole else None


class _Message:
    """A message that is put together, event by event."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {}
        self.is_whole = False
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}

    def take(self, event: Mapping[str, Any]) -> bool:
        """Whether the event was understood."""
        match event.get("type"):
            case "ping":
                return True
            case "message_start":
                self.document = dict(mapping(event.get("message")))
                return bool(self.document)
            case "content_block_start":
                opened = dict(mapping(event.get("content_block")))
                self._blocks[_index(event)] = opened
                return bool(opened)
            case "content_block_delta":
                block = self._blocks.get(_index(event))
                return block is not None and self._grow(_index(event), block, mapping(event.get("delta")))
            case "content_block_stop":
                return self._close(_index(event))
            case "message_delta":
                self._finish(event)
                return True
            case "message_stop":
                self.document["content"] = [self._blocks[index] for index in sorted(self._blocks)]
                self.is_whole = self.document.get("type") == "message" and not self._inputs
                return True
        return False

    def _finish(self, event: Mapping[str, Any]) -> None:
        """What is known at the end: why it ended, what was used, and what betas say beside that."""
        told = {name: value for name, value in mapping(event.get("usage")).items() if value is not None}
        beside = {n: v for n, v in event.items() if n not in ("type", "delta", "usage") and v is not None}
        self.document |= {**mapping(event.get("delta")), **beside}
        self.document["usage"] = {**mapping(self.document.get("usage")), **told}

    def _grow(self, index: int, block: dict[str, Any], delta: Mapping[str, Any]) -> bool:
        kind = delta.get("type")
        if isinstance(kind, str) and kind in _TEXTS:
            name = _TEXTS[kind]
            grown, more = block.get(name), delta.get(name)
            if not isinstance(grown, str) or not isinstance(more, str):
                return False
            block[name] = grown + more
        elif kind == "signature_delta":
            block["signature"] = delta.get("signature")
        elif kind == "input_json_delta" and isinstance(more := delta.get("partial_json"), str):
            self._inputs[index] = self._inputs.get(index, "") + more
        elif kind == "citations_delta":
            block["citations"] = [*sequence(block.get("citations")), delta.get("citation")]
        else:
            return False
        return True

    def _close(self, index: int) -> bool:
        """A block has ended: its input, which came as pieces of JSON, is whole."""
        pieces = self._inputs.pop(index, "")
        if pieces:
            given = strict_json.load_object(pieces.encode("utf-8", "replace"))
            if given is None:
                return False
            self._blocks[index]["input"] = given
        return index in self._blocks


def as_events(entry: Entry) -> bytes | None:
    """The events that a `message` could have come as: one delta for each part."""
    document = strict_json.load_object(entry.body)
    if document is None or not isinstance(document.get("content"), list):
        return None
    usage = mapping(document.get("usage"))
    ending = {"stop_reason": document.get("stop_reason"), "stop_sequence": document.get("stop_sequence")}
    nothing_yet: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None}
    begun = {**document, **nothing_yet, "usage": {**usage, "output_tokens": 0}}
    events = [event_bytes({"type": "message_start", "message": begun})]
    for index, block in enumerate(document["content"]):
        if not isinstance(block, dict):
            return None
        opened, deltas = _taken_apart(block)
        events.append(event_bytes({"type": "content_block_start", "index": index, "content_block": opened}))
        events += (
            event_bytes({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas
        )
        events.append(event_bytes({"type": "content_block_stop", "index": index}))
    events.append(event_bytes({"type": "message_delta", "delta": ending, "usage": usage}))
    events.append(event_bytes({"type": "message_stop"}))
    return b"".join(events)


def _taken_apart(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it opens, and what it grows by; one of a kind that does not grow comes whole."""
    opened, deltas = dict(block), list(_deltas(block))
    match block.get("type"):
        case "text":
            opened |= {"text": ""} | ({"citations": []} if sequence(block.get("citations")) else {})
        case "thinking":
            opened |= {"thinking": "", "signature": ""}
        case str(kind) if kind in _INPUTS:
            opened["input"] = {}
    return opened, deltas


def _deltas(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    match block.get("type"):
        case "text":
            for citation in sequence(block.get("citations")):
                yield {"type": "citations_delta", "citation": citation}
            yield {"type": "text_delta", "text": block.get("text") or ""}
        case "thinking":
            yield {"type": "thinking_delta", "thinking": block.get("thinking") or ""}
            yield {"type": "signature_delta", "signature": block.get("signature") or ""}
        case str(kind) if kind in _INPUTS:
            yield {"type": "input_json_delta", "partial_json": json.dumps(block.get("input") or {})}


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else -1
