"""A cached answer: the exact bytes that were sent, what they cost the first time, and until when they count."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from lumigate import strict_json

FORMAT = 2
"""Raised when the layout below changes; older entries then read as misses."""
EVENT_STREAM = "text/event-stream; charset=utf-8"
MAX_TAGS = 8
_SECOND = 1_000_000_000
_HEAD: Mapping[str, type] = {
    "content_type": str,
    "provider": str,
    "model": str,
    "alias": str,
    "tags": list,
    "usage": bool,
    "input_tokens": int,
    "output_tokens": int,
    "cost_usd": float,
    "asked_ns": int,
    "fresh_ns": int,
    "expires_ns": int,
}
"""What stands before the body. Checked on the way in: a wrong type found later would fail the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One complete answer. A stream is kept as the events it was sent as, and replayed so.

    `asked_ns` is when it was asked for: a purge that came later, even while the model was answering, takes it out.
    It is fresh until `fresh_ns` and may be served as stale until `expires_ns`. `usage` says whether the events of a
    stream tell the tokens.
    """

    content_type: str
    provider: str
    model: str
    alias: str = ""
    tags: tuple[str, ...] = ()
    usage: bool = True
    input_tokens: int
    output_tokens: int
    cost_usd: float
    asked_ns: int
    fresh_ns: int
    expires_ns: int
    body: bytes

    @property
    def size(self) -> int:
        """Bytes that the entry is reckoned to take in memory."""
        return len(self.body) + 512

    @property
    def is_stream(self) -> bool:
        return self.content_type == EVENT_STREAM

    def age_seconds(self, now_ns: int) -> int:
        return max(0, (now_ns - self.asked_ns) // _SECOND)

    def is_fresh(self, now_ns: int) -> bool:
        return now_ns < self.fresh_ns

    def to_bytes(self) -> bytes:
        """A line of JSON, then the body."""
        head = {"format": FORMAT} | {name: getattr(self, name) for name in _HEAD}
        return json.dumps(head).encode("ascii") + b"\n" + self.body

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry:
        """Raises `ValueError` for anything that `to_bytes` of this format did not write."""
        line, _, body = data.partition(b"\n")
        head = strict_json.loads(line)
        if not isinstance(head, dict) or head.pop("format", None) != FORMAT:
            raise ValueError("not a cache entry of this format")
        if strange := head.keys() ^ _HEAD.keys():
            raise ValueError(f"missing or unknown: {', '.join(sorted(strange))}")
        for name, kind in _HEAD.items():
            if type(head[name]) is not kind:
                raise ValueError(f"{name} is not of type {kind.__name__}")
        tags = head.pop("tags")
        if len(tags) > MAX_TAGS or not all(type(tag) is str for tag in tags):
            raise ValueError("tags are not a few texts")
        return cls(**head, tags=tuple(tags), body=body)
