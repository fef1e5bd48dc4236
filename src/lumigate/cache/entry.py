"""A cached answer: the exact bytes that were sent, and what they cost the first time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from lumigate import strict_json

FORMAT = 1
"""Raised when the layout below changes; older entries then read as misses."""
_HEAD: Mapping[str, type] = {
    "content_type": str,
    "provider": str,
    "model": str,
    "input_tokens": int,
    "output_tokens": int,
    "cost_usd": float,
    "expires_ns": int,
}
"""What stands before the body. Checked on the way in: a wrong type found later would fail the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One complete answer. A stream is kept as the events it was sent as, and replayed so."""

    content_type: str
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: float
    expires_ns: int
    body: bytes

    @property
    def size(self) -> int:
        """Bytes that the entry is reckoned to take in memory."""
        return len(self.body) + 512

    def to_bytes(self) -> bytes:
        """A line of JSON, then the body."""
        head = {"format": FORMAT} | {name: value for name, value in asdict(self).items() if name != "body"}
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
        return cls(**head, body=body)
