"""What is sealed of a session, as JSON: the head, and the turns. Versions of code are in `versions`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lumigate import strict_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a session began with. `model` is an alias of the routing table; both may be empty."""

    system: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message and its answer. `base` and `version`: the code's versions before and after the answer; 0 is none."""

    number: int
    created: int
    messages: Sequence[Mapping[str, str]]
    answer: str
    finish_reason: str
    model: str
    provider: str
    input_tokens: int
    output_tokens: int
    cost_usd: float
    base: int
    version: int

    def to_document(self) -> dict[str, Any]:
        """For the caller."""
        return {
            "turn": self.number,
            "created": self.created,
            "messages": list(self.messages),
            "answer": self.answer,
            "finish_reason": self.finish_reason or None,
            "model": self.model,
            "provider": self.provider,
            "usage": {
                "input_tokens": self.input_tokens,
                "output_tokens": self.output_tokens,
                "cost_usd": self.cost_usd,
            },
            "version": self.version or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a model said."""

    text: str
    finish_reason: str


def encode(value: Head | Turn | Mapping[str, Any]) -> bytes:
    """As it is sealed."""
    content = value if isinstance(value, Mapping) else asdict(value)
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def decode_head(content: bytes) -> Head:
    """What `encode` wrote. Members that a later release adds have defaults."""
    return Head(**_known(Head, content))


def decode_turn(content: bytes) -> Turn:
    return Turn(**_known(Turn, content))


def _known(kind: type[Head] | type[Turn], content: bytes) -> dict[str, Any]:
    document = strict_json.loads(content)
    return {name: document[name] for name in kind.__dataclass_fields__ if name in document}
