"""A session's answer as server-sent events: the text as it comes, then everything that follows from it.

`data: {"type": "answer.delta", "text": …}` for each piece, then `data: {"type": "message", …}` with what the answer
without a stream holds, once the turn is committed, then `data: [DONE]`. A stream that fails ends with an event that has
an `error`, in the shape of all errors; its turn has never been.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from lumigate.errors import InternalError, LumigateError, UpstreamBadAnswer
from lumigate.http.sse import event_data, split_events
from lumigate.http.types import Response
from lumigate.llm.provider import BadAnswer, event_document
from lumigate.scope import Scope
from lumigate.sessions.documents import Said
from lumigate.sessions.errors import TurnLost

_EVENT_STREAM = "text/event-stream; charset=utf-8"
_DONE = b"data: [DONE]\n\n"

type Finish = Callable[[Said], Awaitable[dict[str, Any]]]


class SessionStream:
    """One stream. `finish` commits the turn; `release` gives it back on every other way out."""

    def __init__(
        self,
        scope: Scope,
        answer: Response,
        finish: Finish,
        release: Callable[[], None],
        count: Callable[[str], None],
        *,
        limit_bytes: int,
    ) -> None:
        self._scope = scope
        self._answer = answer
        self._finish = finish
        self._release = release
        self._count = count
        self._result = "failed"
        self._room = limit_bytes
        self._text: list[str] = []
        self._finish_reason = ""
        self._failed = False

    async def events(self) -> AsyncIterator[bytes]:
        """What goes out to the client."""
        body = self._answer.body
        assert isinstance(body, AsyncGenerator)
        try:
            async with contextlib.aclosing(body):
                async for block in body:
                    if passed := b"".join(self._pass_on(event) for event in split_events(block)):
                        yield passed
            if not self._failed:
                yield await self._end()
        finally:
            self._count(self._result)
            self._release()

    async def _end(self) -> bytes:
        try:
            if self._room < 0:
                raise UpstreamBadAnswer("the model", "it is longer than a session keeps")
            content = await self._finish(Said(text="".join(self._text), finish_reason=self._finish_reason))
        except LumigateError as error:
            self._result = "turn_lost" if isinstance(error, TurnLost) else "failed"
            return _event(error.to_body(self._scope.trace_id))
        except Exception as error:  # a defect of ours: the caller learns nothing, the trace everything
            self._scope.span.record_exception(error)
            return _event(InternalError().to_body(self._scope.trace_id))
        self._result = "ok"
        return _event({"type": "message", **content}) + _DONE

    def _pass_on(self, event: bytes) -> bytes:
        if self._failed:  # the error was the last of it
            return b""
        try:
            document = None if event_data(event).strip() == b"[DONE]" else event_document(event)
        except BadAnswer as error:
            self._failed = True
            return _event(UpstreamBadAnswer("the model", str(error)).to_body(self._scope.trace_id))
        if document is None:
            return b""
        if "error" in document:
            self._failed = True
            return _event({"error": document["error"]})
        choices = document.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        reason, delta = choice.get("finish_reason"), choice.get("delta")
        if isinstance(reason, str):
            self._finish_reason = reason
        text = delta.get("content") or delta.get("refusal") if isinstance(delta, dict) else None
        if not isinstance(text, str) or not text:
            return b""
        self._room -= len(text.encode("utf-8", "replace"))
        if self._room >= 0:
            self._text.append(text)
        return _event({"type": "answer.delta", "text": text})


def replayed_stream(content: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """An answer given again, as a stream in one piece."""
    delta = _event({"type": "answer.delta", "text": content["answer"]})
    body = delta + _event({"type": "message", **content}) + _DONE
    return Response(status=200, headers={"content-type": _EVENT_STREAM, **headers}, body=body)


def _event(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return b"data: " + text.encode("utf-8", "replace") + b"\n\n"
