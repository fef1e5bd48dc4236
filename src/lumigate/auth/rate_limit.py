"""The first walls against too many requests: the platform's own limiters, per address and per key.

They are coarse and eventually consistent (per location), so they guard against abuse and keep no budgets; exact limits
are `lumigate.ledger`'s. The address is asked about before anything is checked, so that junk is cheap to turn away; the
key, or a token's subject, once it is known. When a limiter cannot be asked, the request passes or is refused, by
setting, and that is counted.
"""

from __future__ import annotations

from lumigate.errors import LimitsUnavailable, RateLimited
from lumigate.ports import RateLimit
from lumigate.scope import Scope


class RateLimiter:
    """Asks the bindings. `period_seconds` is theirs, told to refused callers."""

    def __init__(self, period_seconds: int, *, open_on_failure: bool = True) -> None:
        self._period_seconds = period_seconds
        self._open_on_failure = open_on_failure

    async def check_address(self, scope: Scope) -> None:
        """Raises `RateLimited` or `LimitsUnavailable`. No binding, or no address, no limit.

        The address is the platform's word (`CF-Connecting-IP`, the peer of the connection), never a forwarded header's.
        """
        limiter, address = scope.ports.address_limit, scope.request.client_address
        if limiter is not None and address:
            await self._check(scope, limiter, "address", network_of(address))

    async def check(self, scope: Scope) -> None:
        """The same for the caller, who is known by now."""
        limiter = scope.ports.rate_limit
        if limiter is not None:
            await self._check(scope, limiter, "key", f"{scope.facts.tenant}:{scope.facts.subject_hash}")

    async def _check(self, scope: Scope, limiter: RateLimit, wall: str, key: str) -> None:
        with scope.step("rate_limit.check") as step:
            try:
                result = "allowed" if await limiter.allow(key) else "limited"
            except Exception:  # whatever the platform's limiter throws, the setting decides
                result = "unavailable"
            labels = {"lumigate.rate_limit.wall": wall, "lumigate.rate_limit.result": result}
            step.span.set_attributes(labels)
            scope.instruments.rate_limit_decisions.add(1, labels)
            if result == "limited":
                raise RateLimited(self._period_seconds)
            if result == "unavailable" and not self._open_on_failure:
                raise LimitsUnavailable


def network_of(address: str) -> str:
    """What one caller is likely to hold: an IPv4 address, the /64 of an IPv6 address."""
    if ":" not in address:
        return address
    head, compressed, tail = address.partition("::")
    if "." in address:  # IPv4 in IPv6's clothes, as sockets that take both show it
        return address.rpartition(":")[2]
    groups = [group for group in head.split(":") if group]
    if compressed:
        after = [group for group in tail.split(":") if group]
        groups += ["0"] * (8 - len(groups) - len(after)) + after
    return ":".join(group.lower().lstrip("0") or "0" for group in groups[:4]) + "::/64"
