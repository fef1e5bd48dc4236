"""How much of an isolate's memory request bodies may take together.

A body costs about three times its size while its request is in progress: its bytes, its values, and what is sent on. An
isolate has 128 MB for all of its requests, and one that takes more is killed with every request in it. Small bodies
always pass, so that those who send large ones keep nobody else out.
"""

from __future__ import annotations

from typing import Final

SMALL_BYTES: Final = 65_536


class BodyRoom:
    """One an isolate; plain numbers, since requests that died give back through others."""

    __slots__ = ("_limit_bytes", "held_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0
        """What the large bodies of requests in progress have."""

    def take(self, count: int) -> int | None:
        """What must be given back for a body of `count` bytes; None if there is no room for it now."""
        if count <= SMALL_BYTES:
            return 0
        if self.held_bytes and self.held_bytes + count > self._limit_bytes:
            return None
        self.held_bytes += count
        return count

    def give_back(self, count: int) -> None:
        self.held_bytes -= count
