"""What a provider has just refused: remembered for seconds, in memory, so that a client in a loop costs no calls.

Only refusals of the request itself are kept (an upstream 4xx): asking the same again would fail the same.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from lumigate.errors import UpstreamRefused

MAX_KEPT = 512
_NOT_THE_REQUEST = frozenset({408, 409, 425, 429})
"""Statuses that may be another one at the next try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The refusal as it was told, for the callers who ask the same."""

    provider: str
    status: int
    message: str
    param: str | None
    expires_ns: int

    @property
    def outcome(self) -> str:
        return "hit-l1"

    def to_error(self) -> UpstreamRefused:
        error = UpstreamRefused("", self.status, "", self.param)
        error.message = self.message
        return error


class Refusals:
    """One an isolate; the oldest give way."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Refusal] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str, now_ns: int) -> Refusal | None:
        found = self._kept.get(key)
        if found is not None and now_ns >= found.expires_ns:
            del self._kept[key]
            return None
        return found

    def keep(self, key: str, provider: str, error: UpstreamRefused, *, until_ns: int) -> None:
        if error.status in _NOT_THE_REQUEST:
            return
        self._kept[key] = Refusal(
            provider=provider,
            status=error.status,
            message=error.message,
            param=error.param,
            expires_ns=until_ns,
        )
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """A purge leaves no refusals either."""
        self._kept.clear()
