"""A cached answer: the exact bytes that were sent, and what they cost the first time."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

FORMAT = 1
"""Raised when the layout below changes; older entries then read as misses."""


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
        head = json.loads(line)
        if not isinstance(head, dict) or head.pop("format", None) != FORMAT:
            raise ValueError("not a cache entry of this format")
        try:
            return cls(**head, body=body)
        except TypeError as error:
            raise ValueError(str(error)) from None
