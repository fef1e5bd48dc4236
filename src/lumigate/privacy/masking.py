"""The masking of what models say, by the setting `PRIVACY_ANSWERS`: before it goes out, and before the cache keeps it.

What is kept is what went out, so a cached answer is the same for whoever may read it. Each finding counts by its kind.
"""

from __future__ import annotations

from typing import Any

from lumigate import strict_json
from lumigate.http.sse import event_data, split_events
from lumigate.llm.canonical import encode
from lumigate.llm.dialects import Outlet, Writer
from lumigate.llm.provider import BadAnswer
from lumigate.privacy.answer_masks import AnswerMasks
from lumigate.privacy.chunk_masks import ChunkMasker
from lumigate.privacy.kinds import Kind
from lumigate.privacy.tokens import TokenTable
from lumigate.scope import Scope


class MaskingWriter:
    """A front door whose answers are masked before it, or what puts values back, writes them."""

    def __init__(self, inner: Writer, scope: Scope, tokens: TokenTable | None) -> None:
        self._inner = inner
        self._findings = scope.instruments.personal_data_findings
        self._tokens = tokens

    def _masks(self) -> AnswerMasks:
        return AnswerMasks(self._count, self._tokens)

    def _count(self, kind: Kind) -> None:
        self._findings.add(1, {"lumigate.privacy.kind": kind.value})

    def write_answer(self, body: bytes, *, native: bool) -> bytes:
        document = strict_json.load_object(body)
        if document is None:
            raise BadAnswer("it is no JSON object")
        return self._inner.write_answer(encode(self._masks().answer(document)), native=native)

    def outlet(self, *, native: bool) -> Outlet:
        return _MaskingOutlet(self._inner.outlet(native=native), self._masks())


class _MaskingOutlet:
    def __init__(self, inner: Outlet, masks: AnswerMasks) -> None:
        self._inner = inner
        self._chunks = ChunkMasker(masks)

    def pass_on(self, events: bytes) -> bytes:
        return self._inner.pass_on(b"".join(self._masked(event) for event in split_events(events)))

    def error(self, error: Any, trace_id: str) -> bytes:
        rest = b"".join(_event(chunk) for chunk in self._chunks.end())
        passed = self._inner.pass_on(rest) if rest else b""
        return passed + self._inner.error(error, trace_id)

    def _masked(self, event: bytes) -> bytes:
        data = event_data(event)
        document = strict_json.load_object(data)
        if document is not None:
            return b"".join(_event(chunk) for chunk in self._chunks.feed(document))
        if data.strip() == b"[DONE]":
            return b"".join(_event(chunk) for chunk in self._chunks.end()) + event
        return b"" if data.strip() else event  # what cannot be read is not passed on; a comment says nothing


def _event(document: Any) -> bytes:
    return b"data: " + encode(document) + b"\n\n"
