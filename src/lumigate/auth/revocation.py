"""Tokens that are refused although they are good: a deny list in KV, by token id or by subject and time of issue.

An entry is stored under a digest of the issuer and the id or subject, so that no name is in the store, and lives as
long as any token that it can concern. `ANYTHING` says that there are entries at all: while it is absent, a check costs
one look into the isolate's memory. What was found, or not found, is remembered for the time that settings say; KV
itself is eventually consistent (60 s), so an entry holds everywhere within the sum of both.

When KV cannot be asked, settings say whether tokens pass; either way it is counted.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lumigate import strict_json
from lumigate.auth.claims import instant
from lumigate.auth.expiring import ExpiringCache
from lumigate.auth.settings import AuthSettings
from lumigate.errors import CredentialStoreUnavailable, Unauthenticated
from lumigate.ports import KeyValue, Ports
from lumigate.scope import Scope

PREFIX = "auth:revoked:"
ANYTHING = "auth:revocations"
REMEMBERED = 5000
STORE_TIMEOUT_SECONDS = 2.0
MIN_TTL_SECONDS = 60
KV_CONSISTENCY_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """One entry. `issued_before_s` is infinite for a single token, whenever it was issued."""

    id: str
    kind: str
    issuer: str
    issued_before_s: float
    created_s: int
    expires_s: int

    def to_json(self) -> bytes:
        before = None if math.isinf(self.issued_before_s) else self.issued_before_s
        members = {
            "kind": self.kind,
            "issuer": self.issuer,
            "issued_before": before,
            "created_at": self.created_s,
            "expires_at": self.expires_s,
        }
        return json.dumps(members, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, identity: str, data: bytes) -> Revocation:
        """Raises `ValueError` for what was not written by `to_json`."""
        members = strict_json.load_object(data) or {}
        try:
            before = members["issued_before"]
            return cls(
                id=identity,
                kind=str(members["kind"]),
                issuer=str(members["issuer"]),
                issued_before_s=math.inf if before is None else float(before),
                created_s=int(members["created_at"]),
                expires_s=int(members["expires_at"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"a broken entry of the deny list: {error}") from None


def entry_id(kind: str, issuer: str, value: str) -> str:
    """Where the entry about a token id (`jti`) or a subject (`sub`) is; tells nothing about either."""
    digest = hashlib.sha256(f"{len(issuer)}:{issuer}{value}".encode("utf-8", "surrogatepass")).hexdigest()
    return f"{kind}:{digest[:40]}"


class Revocations:
    """One an isolate."""

    def __init__(self, settings: AuthSettings) -> None:
        self._cache_seconds = settings.revocation_cache_seconds
        self._closed = settings.revocation_failure == "closed"
        self._leeway_seconds = settings.leeway_seconds
        self.max_lifetime_seconds = settings.max_lifetime_seconds
        self._remembered: ExpiringCache[float] = ExpiringCache(REMEMBERED)
        """By id of the entry: tokens issued until then are revoked; minus infinity where there is no entry."""

    @property
    def effective_within_seconds(self) -> int:
        """By when an entry holds everywhere."""
        return KV_CONSISTENCY_SECONDS + math.ceil(self._cache_seconds)

    async def check(self, scope: Scope, issuer: str, claims: Mapping[str, Any]) -> None:
        """Raises `Unauthenticated` (revoked), or `CredentialStoreUnavailable` where settings close the door."""
        store = scope.ports.key_value
        if store is None:
            return
        try:
            revoked = await self._is_revoked(scope, store, issuer, claims)
        except Exception:  # whatever the store throws, or what lies in it; never a 500
            _count(scope, "unavailable")
            if self._closed:
                raise CredentialStoreUnavailable from None
            return
        _count(scope, "revoked" if revoked else "clear")
        if revoked:
            raise Unauthenticated("revoked")

    async def _is_revoked(
        self, scope: Scope, store: KeyValue, issuer: str, claims: Mapping[str, Any]
    ) -> bool:
        now_s = scope.clock.now_ns() / 1e9
        if await self._until(scope.ports, store, ANYTHING, now_s) < now_s:
            return False
        names = [
            entry_id(kind, issuer, value)
            for kind in ("jti", "sub")
            if isinstance(value := claims.get(kind), str) and value
        ]
        limits = await self._limits(scope.ports, store, names, now_s)
        # A token that does not say when it was issued may be as old as any.
        issued_s = instant(claims, "iat")
        return any(limit >= (issued_s if issued_s is not None else 0.0) for limit in limits)

    async def _limits(self, ports: Ports, store: KeyValue, names: list[str], now_s: float) -> list[float]:
        """What is not remembered is read side by side; nothing goes on when one of the reads fails."""
        remembered = [self._remembered.get(name, now_s) for name in names]
        unread = [name for name, found in zip(names, remembered, strict=True) if found is None]
        limits = [found[0] for found in remembered if found is not None]
        if len(unread) < 2:
            return limits + [await self._until(ports, store, name, now_s) for name in unread]
        reads = (self._until(ports, store, name, now_s) for name in unread)
        for outcome in await asyncio.gather(*reads, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
            limits.append(outcome)
        return limits

    async def _until(self, ports: Ports, store: KeyValue, name: str, now_s: float) -> float:
        found = self._remembered.get(name, now_s)
        if found is not None:
            return found[0]
        async with ports.timeout(STORE_TIMEOUT_SECONDS):
            data = await store.get(ANYTHING if name == ANYTHING else PREFIX + name)
        if data is None:
            limit = -math.inf
        elif name == ANYTHING:
            limit = float(data)
        else:
            limit = Revocation.from_json(name, data).issued_before_s
        self._remembered.put(name, limit, now_s + self._cache_seconds)
        return limit

    async def revoke(self, store: KeyValue, entry: Revocation, now_s: float) -> None:
        """Write an entry down. Raises whatever the store does."""
        ttl = max(MIN_TTL_SECONDS, math.ceil(entry.expires_s - now_s))
        await store.put(PREFIX + entry.id, entry.to_json(), ttl_seconds=ttl)
        # KV takes one write a second for a key, so the mark is written only where it does not last long enough.
        marked = await store.get(ANYTHING)
        until = float(marked) if marked is not None else -math.inf
        if until < entry.expires_s:
            until = now_s + self.lifetime_seconds() + self.max_lifetime_seconds / 2
            mark = f"{until:.0f}".encode()
            await store.put(ANYTHING, mark, ttl_seconds=max(MIN_TTL_SECONDS, math.ceil(until - now_s)))
        hold_s = now_s + self._cache_seconds
        self._remembered.put(ANYTHING, until, hold_s)
        self._remembered.put(entry.id, entry.issued_before_s, hold_s)

    def margin_seconds(self) -> int:
        """How long after its own end a token may still be good: clocks differ, on both sides."""
        return math.ceil(2 * self._leeway_seconds)

    def lifetime_seconds(self) -> int:
        """How long an entry must live when nothing is known of the token: as long as any token may."""
        return self.max_lifetime_seconds + self.margin_seconds()


def _count(scope: Scope, result: str) -> None:
    if result != "clear":
        scope.span.add_event("revocation.check", {"lumigate.revocation.result": result})
    scope.instruments.revocation_checks.add(1, {"lumigate.revocation.result": result})
