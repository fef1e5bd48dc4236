"""Who flushes: a lease with an expiry, as plain data.

No lock, event or future: on Workers one request must not wait for what another will do. A request that finds the
lease taken only appends to the buffer. A lease whose owner died expires, and the next request takes it over.
"""

from __future__ import annotations


class Lease:
    """At most one owner at a time, as long as owners finish before their lease ends."""

    __slots__ = ("_last_token", "expires_ns", "owner")

    def __init__(self) -> None:
        self.owner = 0
        """The token of the owner; 0 while there is none."""
        self.expires_ns = 0
        self._last_token = 0

    def is_free(self, now_ns: int) -> bool:
        return not self.owner or self.expires_ns <= now_ns

    def take(self, now_ns: int, duration_ns: int) -> int:
        """A token if the lease was free or its owner's time is up; else 0."""
        if not self.is_free(now_ns):
            return 0
        self._last_token += 1
        self.owner = self._last_token
        self.expires_ns = now_ns + duration_ns
        return self.owner

    def release(self, token: int) -> None:
        """Give it up. Does nothing for one who has lost it to another."""
        if self.owner == token:
            self.owner = 0
