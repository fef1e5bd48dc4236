"""The personal-data check of a request: by policy, before anything of it goes out or into the cache's hands.

One span and one histogram a check, one counter a kind of finding; never the value itself. Under a policy a request
always goes to the provider in canonical form, because that is what the policy was applied to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lumigate import strict_json
from lumigate.errors import PersonalDataRefused
from lumigate.http.sse import event_data, split_events
from lumigate.llm.canonical import encode
from lumigate.llm.chat import EMBEDDINGS, ChatRequest
from lumigate.llm.dialects import Outlet, Writer
from lumigate.privacy.answers import ChunkRestorer, restore_answer
from lumigate.privacy.mask import AnswerPolicy, Policy, Redaction, redact_chat
from lumigate.privacy.masking import MaskingWriter
from lumigate.privacy.tokens import TokenTable
from lumigate.scope import Scope

_REDACTED = "redacted"
"""A dialect that no provider speaks natively."""


class PrivacyGuard:
    """One an isolate."""

    def __init__(self, policy: Policy, answers: AnswerPolicy = AnswerPolicy.OFF) -> None:
        self._policy = policy
        self._masks_answers = answers is AnswerPolicy.MASK

    @property
    def policy(self) -> str:
        """Part of every cache key: another policy may give another answer."""
        return f"{self._policy.value} masked" if self._masks_answers else self._policy.value

    def check(self, scope: Scope, chat: ChatRequest) -> tuple[ChatRequest, TokenTable | None]:
        """The request as it may go out, and what puts values back into its answer. Raises `PersonalDataRefused`."""
        if self._policy is Policy.OFF:
            # Answers are masked in canonical form.
            masked = self._masks_answers and chat.operation != EMBEDDINGS
            return replace(chat, dialect=_REDACTED, native=None) if masked else chat, None
        with scope.step("privacy.check", attributes={"lumigate.privacy.policy": self._policy.value}) as step:
            redaction = self._redact(chat)
            found = sum(redaction.counts.values())
            step.span.set_attribute("lumigate.privacy.findings", found)
            for kind, count in redaction.counts.items():
                scope.instruments.personal_data_findings.add(count, {"lumigate.privacy.kind": kind.value})
            scope.instruments.personal_data_duration.record(step.seconds, {}, span=step.span)
            if redaction.blocked:
                raise PersonalDataRefused(tuple(sorted(kind.value for kind in redaction.counts)))
        clean = replace(chat, body=redaction.body, dialect=_REDACTED, native=None)
        return clean, redaction.tokens if self._policy is Policy.TOKENS and len(redaction.tokens) else None

    def writer(self, scope: Scope, chat: ChatRequest, door: Writer, tokens: TokenTable | None) -> Writer:
        """The way out of a front door: what the model said is masked, then the caller's own values are put back."""
        writer = door if tokens is None else RestoringDialect(door, tokens)
        if self._masks_answers and chat.operation != EMBEDDINGS:
            writer = MaskingWriter(writer, scope, tokens)
        return writer

    def _redact(self, chat: ChatRequest) -> Redaction:
        # An embedding has no answer to put values back into, so tokens would be marks.
        as_marks = chat.operation == EMBEDDINGS and self._policy is Policy.TOKENS
        return redact_chat(chat.body, Policy.MASK if as_marks else self._policy)


class RestoringDialect:
    """A front door whose answers get their values back before they are written in its words."""

    def __init__(self, inner: Writer, tokens: TokenTable) -> None:
        self._inner = inner
        self._tokens = tokens

    def write_answer(self, body: bytes, *, native: bool) -> bytes:
        document = strict_json.load_object(body)
        if document is not None:
            body = encode(restore_answer(document, self._tokens))
        return self._inner.write_answer(body, native=native)

    def outlet(self, *, native: bool) -> Outlet:
        return _RestoringOutlet(self._inner.outlet(native=native), self._tokens)


class _RestoringOutlet:
    def __init__(self, inner: Outlet, tokens: TokenTable) -> None:
        self._inner = inner
        self._chunks = ChunkRestorer(tokens)

    def pass_on(self, events: bytes) -> bytes:
        return self._inner.pass_on(b"".join(self._restored(event) for event in split_events(events)))

    def error(self, error: Any, trace_id: str) -> bytes:
        return self._inner.error(error, trace_id)

    def _restored(self, event: bytes) -> bytes:
        document = strict_json.load_object(event_data(event))
        if document is None:  # the mark at the end, or a comment
            return event
        return b"data: " + encode(self._chunks.feed(document)) + b"\n\n"
