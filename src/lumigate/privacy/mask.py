"""Personal data out of texts and chat bodies: irreversibly for telemetry, by policy for prompts.

Policies: `off` looks at nothing; `mask` puts the kind in its place (`[email]`); `tokens` puts a token in its place and
puts the value back into the answer; `block` changes nothing and says that the request must not go out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lumigate.privacy import json_text
from lumigate.privacy.chat_texts import map_texts
from lumigate.privacy.detect import detect
from lumigate.privacy.kinds import Finding, Kind
from lumigate.privacy.tokens import TokenTable


class Policy(StrEnum):
    """What is done about personal data in a prompt."""

    OFF = "off"
    MASK = "mask"
    TOKENS = "tokens"
    BLOCK = "block"


class AnswerPolicy(StrEnum):
    """What is done about personal data in what a model says."""

    OFF = "off"
    MASK = "mask"


type Put = Callable[[Finding, str], str]
"""From a finding and its text to what stands in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A chat body as it may go out, and what was found in it. `tokens` puts the values back into the answer."""

    body: Mapping[str, Any] = field(repr=False)
    counts: Mapping[Kind, int]
    blocked: bool
    tokens: TokenTable

    def restore(self, text: str) -> str:
        """A piece of the answer with the values in place of their tokens."""
        return self.tokens.restore(text)


def mask(text: str) -> str:
    """The text with each finding replaced by its kind, for telemetry: `[email]`, `[card]`, …"""
    return replace(text, detect(text), mark)


def mark(finding: Finding, _value: str = "") -> str:
    """What stands in the place of a finding that is gone for good."""
    return f"[{finding.kind}]"


def replace(text: str, findings: Sequence[Finding], put: Put) -> str:
    """The text with `put(finding, its text)` in the place of each finding; the findings are in order."""
    if not findings:
        return text
    parts: list[str] = []
    position = 0
    for finding in findings:
        parts += (text[position : finding.start], put(finding, text[finding.start : finding.end]))
        position = finding.end
    parts.append(text[position:])
    return "".join(parts)


def redact_chat(body: Mapping[str, Any], policy: Policy) -> Redaction:
    """OpenAI's body of a request under a policy. The given one is not changed; what is clean is shared with it."""
    tokens = TokenTable()
    counts: Counter[Kind] = Counter()
    if policy is Policy.OFF:
        return Redaction(body=body, counts={}, blocked=False, tokens=tokens)
    if policy is Policy.TOKENS:
        map_texts(body, plain=tokens.reserve, arguments=tokens.reserve, names=tokens.reserve)

    def put(finding: Finding, value: str) -> str:
        return tokens.token(finding.kind, value) if policy is Policy.TOKENS else mark(finding)

    def in_plain(text: str, put: Put = put) -> str:
        findings = detect(text)
        counts.update(finding.kind for finding in findings)
        return replace(text, findings, put)

    def in_name(text: str) -> str:
        return in_plain(text, mark)  # OpenAI takes no angle brackets there

    def in_arguments(text: str) -> str:
        written = json_text.written_out(text)
        if written is None:
            return in_plain(text)
        findings = detect(json_text.searchable(written))
        if not findings:
            return text
        counts.update(finding.kind for finding in findings)
        return _replace_in_json(written, findings, put)

    redacted = map_texts(body, plain=in_plain, arguments=in_arguments, names=in_name)
    if policy is Policy.BLOCK:
        return Redaction(body=body, counts=dict(counts), blocked=bool(counts), tokens=tokens)
    return Redaction(body=redacted, counts=dict(counts), blocked=False, tokens=tokens)


def _replace_in_json(text: str, findings: Sequence[Finding], put: Put) -> str:
    """A number that is a finding becomes a string, so that the text stays JSON."""
    strings = json_text.strings_in(text)
    at = position = 0
    parts: list[str] = []
    for finding in findings:
        while at < len(strings) and strings[at][1] <= finding.start:
            at += 1
        if at < len(strings) and strings[at][0] < finding.start:
            start, end = finding.start, finding.end
            written = put(finding, json_text.value_of(text, finding))
        else:  # all of the number, its sign as well
            start, end = json_text.number_around(text, finding.start, finding.end, position)
            written = f'"{put(finding, text[start:end])}"'
        if finding.start >= position:
            parts += (text[position:start], written)
            position = end
    parts.append(text[position:])
    return "".join(parts)
