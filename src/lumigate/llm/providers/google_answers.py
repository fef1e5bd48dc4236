"""What Gemini answers, whole or streamed, as the canonical form.

Shape: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse; each event of a stream is one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lumigate.http.sse import split_events
from lumigate.llm.canonical import DONE_EVENT, ChunkWriter, message_of, tool_call
from lumigate.llm.provider import (
    MAX_MESSAGE_CHARS,
    Answer,
    BadAnswer,
    count,
    event_document,
    mapping,
    sequence,
    text,
)

_FINISH = {"STOP": "stop", "MAX_TOKENS": "length", "FINISH_REASON_UNSPECIFIED": "stop", "OTHER": "stop"}
MADE_UP_ID = "call_"
"""What ids of calls begin with that are not theirs: ours, and OpenAI's."""
_BROKEN_CALLS = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"})
_BROKEN = "the model's call of a tool is malformed"
"""With nothing else in the answer it would look like an empty one that is complete."""


def finish_of(reason: str, *, called: bool) -> str:
    """Gemini stops at a tool call as at anything else; whatever is no plain end is a filter of some kind."""
    if reason in _BROKEN_CALLS:
        return "stop"
    finish = _FINISH.get(reason, "content_filter")
    return "tool_calls" if called and finish == "stop" else finish


def learn(document: Mapping[str, Any], answer: Answer) -> None:
    """The identity and the usage; thinking is counted apart there, and is output to us."""
    answer.id = text(document.get("responseId")) or answer.id
    answer.model = text(document.get("modelVersion")) or answer.model
    usage = mapping(document.get("usageMetadata"))
    if (prompt := count(usage.get("promptTokenCount"))) is not None:
        answer.input_tokens = prompt + (count(usage.get("toolUsePromptTokenCount")) or 0)
        answer.cache_read_tokens = count(usage.get("cachedContentTokenCount")) or 0
    said, thought = count(usage.get("candidatesTokenCount")), count(usage.get("thoughtsTokenCount")) or 0
    if said is not None or thought:
        answer.output_tokens, answer.reasoning_tokens = (said or 0) + thought, thought


def learn_finish(finish: str, answer: Answer) -> None:
    answer.finish_reasons = (*answer.finish_reasons, finish)


def call_of(part: Mapping[str, Any], answer: Answer, number: int) -> dict[str, Any]:
    """A `functionCall` part as a tool call. Most come without an id: ours is unique within the conversation."""
    call = mapping(part.get("functionCall"))
    identity = text(call.get("id")) or f"{MADE_UP_ID}{answer.id or answer.created}_{number}"
    arguments = json.dumps(mapping(call.get("args")), separators=(",", ":"))
    more: dict[str, Any] = {}
    if signature := text(part.get("thoughtSignature")):
        more["extra_content"] = {"google": {"thought_signature": signature}}
    return tool_call(identity, text(call.get("name")), arguments, **more)


def _picture_of(part: Mapping[str, Any]) -> dict[str, Any]:
    """A picture in an answer, as OpenRouter tells it: a member `images` of the message."""
    data = mapping(part.get("inlineData"))
    url = f"data:{text(data.get('mimeType'))};base64,{text(data.get('data'))}"
    return {"type": "image_url", "image_url": {"url": url}}


def choice_of(candidate: Mapping[str, Any], answer: Answer, index: int) -> dict[str, Any]:
    """A candidate as a choice; one that is not there was blocked."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    pictures: list[dict[str, Any]] = []
    for part in map(mapping, sequence(mapping(candidate.get("content")).get("parts"))):
        if "functionCall" in part:
            calls.append(call_of(part, answer, index * 1000 + len(calls)))
        elif "inlineData" in part:
            pictures.append(_picture_of(part))
        elif part.get("thought") is True:
            thoughts.append(text(part.get("text")))
        else:
            texts.append(text(part.get("text")))
    message = message_of("".join(texts), reasoning="".join(thoughts), tool_calls=calls)
    if pictures:
        message["images"] = pictures
    reason = text(candidate.get("finishReason")) or ("STOP" if candidate else "BLOCKED")
    if reason in _BROKEN_CALLS and not any((*texts, *calls)):
        raise BadAnswer(_BROKEN)
    choice: dict[str, Any] = {"message": message, "finish_reason": finish_of(reason, called=bool(calls))}
    if logprobs := _logprobs(mapping(candidate.get("logprobsResult"))):
        choice["logprobs"] = logprobs
    return choice


def _logprobs(result: Mapping[str, Any]) -> dict[str, Any] | None:
    chosen = sequence(result.get("chosenCandidates"))
    if not chosen:
        return None
    tops = [sequence(mapping(top).get("candidates")) for top in sequence(result.get("topCandidates"))]
    tops += [[]] * (len(chosen) - len(tops))
    pairs = zip(chosen, tops, strict=False)
    content = [{**_logprob(one), "top_logprobs": [_logprob(other) for other in top]} for one, top in pairs]
    return {"content": content, "refusal": None}


def _logprob(entry: Any) -> dict[str, Any]:
    token = text(mapping(entry).get("token"))
    value = mapping(entry).get("logProbability")
    return {
        "token": token,
        "logprob": value if isinstance(value, int | float) else 0.0,
        "bytes": list(token.encode("utf-8", "replace")),
    }


class GoogleReader:
    """Their events as canonical ones. Nothing marks the end; the last finish reason is as near as it gets."""

    __slots__ = ("_answer", "_calls", "_opened", "_said", "_strip_usage", "_write")

    def __init__(self, answer: Answer, *, strip_usage: bool) -> None:
        self._answer = answer
        self._strip_usage = strip_usage
        self._write = ChunkWriter(answer)
        self._calls: dict[int, int] = {}
        self._opened: set[int] = set()
        self._said: set[int] = set()
        """Candidates that have said something, in words or by a call."""

    def read_events(self, block: bytes) -> tuple[bytes, bool]:
        passed = b"".join(
            self._translate(document)
            for raw in split_events(block)
            if (document := event_document(raw)) is not None
        )
        return passed, False

    def end(self) -> bytes:
        return (b"" if self._strip_usage else self._write.usage()) + DONE_EVENT

    def _translate(self, document: Mapping[str, Any]) -> bytes:
        answer = self._answer
        if "error" in document:
            answer.failed = True
            message = text(mapping(document["error"]).get("message"))[:MAX_MESSAGE_CHARS]
            return self._write.error(message or "no reason given")
        learn(document, answer)
        candidates = sequence(document.get("candidates"))
        if not candidates and "blockReason" in mapping(document.get("promptFeedback")):
            learn_finish("content_filter", answer)
            return self._write.delta({"role": "assistant", "content": ""}, "content_filter")
        return b"".join(self._candidate(mapping(candidate)) for candidate in candidates)

    def _candidate(self, candidate: Mapping[str, Any]) -> bytes:
        index = count(candidate.get("index")) or 0
        write = self._write
        passed: list[bytes] = []
        if index not in self._opened:
            self._opened.add(index)
            passed.append(write.delta({"role": "assistant", "content": ""}, index=index))
        for part in map(mapping, sequence(mapping(candidate.get("content")).get("parts"))):
            if "functionCall" in part:
                self._said.add(index)
                number = self._calls.get(index, 0)
                self._calls[index] = number + 1
                call = {"index": number, **call_of(part, self._answer, index * 1000 + number)}
                passed.append(write.delta({"tool_calls": [call]}, index=index))
            elif "inlineData" in part:
                passed.append(write.delta({"images": [_picture_of(part)]}, index=index))
            elif words := text(part.get("text")):
                if part.get("thought") is True:
                    passed.append(write.delta({"reasoning_content": words}, index=index))
                else:
                    self._said.add(index)
                    passed.append(write.text(words, index=index))
        if reason := text(candidate.get("finishReason")):
            if reason in _BROKEN_CALLS and index not in self._said:
                raise BadAnswer(_BROKEN)
            finish = finish_of(reason, called=index in self._calls)
            learn_finish(finish, self._answer)
            logprobs = _logprobs(mapping(candidate.get("logprobsResult")))
            passed.append(write.delta({}, finish, index=index, logprobs=logprobs))
        return b"".join(passed)
