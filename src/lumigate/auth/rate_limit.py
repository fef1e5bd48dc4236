"""The first wall against too many requests: the platform's own limiter, per tenant.

It is coarse and eventually consistent (per location), so it guards against abuse and keeps no budgets. When it cannot
be asked, the request passes and that is counted.
"""

from __future__ import annotations

from lumigate.errors import RateLimited
from lumigate.scope import Scope


class RateLimiter:
    """Asks the binding, once a request. `period_seconds` is the binding's own, told to refused callers."""

    def __init__(self, period_seconds: int) -> None:
        self._period_seconds = period_seconds

    async def check(self, scope: Scope) -> None:
        """Raises `RateLimited`. A deployment without the binding has no limit."""
        limiter = scope.ports.rate_limit
        if limiter is None:
            return
        with scope.step("rate_limit.check") as step:
            try:
                result = "allowed" if await limiter.allow(scope.facts.tenant) else "limited"
            except Exception:  # whatever the platform's limiter throws, a request is not lost to it
                result = "unavailable"
            step.span.set_attribute("lumigate.rate_limit.result", result)
            scope.instruments.rate_limit_decisions.add(1, {"lumigate.rate_limit.result": result})
            if result == "limited":
                raise RateLimited(self._period_seconds)
