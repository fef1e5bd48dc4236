"""The breaker of a tier, whose changes are counted under the tier's name."""

from __future__ import annotations

from lumigate.cache.breaker import CLOSED, HALF_OPEN, OPEN, TierBreaker
from lumigate.scope import Scope


class CountedBreaker:
    """One a tier of an isolate."""

    __slots__ = ("_breaker", "_tier")

    def __init__(self, tier: str) -> None:
        self._tier = tier
        self._breaker = TierBreaker()

    def state(self, now_ns: int) -> str:
        return self._breaker.state(now_ns)

    def admits(self, scope: Scope) -> bool:
        """Whether the tier may be asked for this request; the first while it is half open is the probe."""
        now_ns = scope.clock.now_ns()
        before = self._breaker.state(now_ns)
        admitted = self._breaker.admits(now_ns)
        if admitted and before == HALF_OPEN:
            self._count(scope, HALF_OPEN)
        return admitted

    def succeeded(self, scope: Scope) -> None:
        if self._breaker.succeeded():
            self._count(scope, CLOSED)

    def failed(self, scope: Scope) -> None:
        if self._breaker.failed(scope.clock.now_ns()):
            self._count(scope, OPEN)

    def _count(self, scope: Scope, state: str) -> None:
        labels = {"lumigate.cache.tier": self._tier, "lumigate.cache.breaker": state}
        scope.instruments.cache_breaker_changes.add(1, labels)
