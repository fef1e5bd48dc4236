"""What the gateway and a ledger say to each other: one JSON text each way.

Passing a text over RPC costs less than converting a dict on both sides, and its numbers come back as they went.
Both sides are this code, but not always of the same deploy: what a reader does not know it passes over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lumigate import strict_json
from lumigate.ledger.book import Ask, Ceilings, Kind, Settled
from lumigate.ledger.limits import LARGEST, TenantLimits, nano_usd

MAX_ID_CHARS = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Where a tenant stands with one limit. Tokens and requests are counted, money is in billionths of a dollar."""

    kind: Kind
    limit: int
    used: int
    reserved: int
    reset_ms: int

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used - self.reserved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to `reserve`. `kind` and `wait_ms` are about a refusal."""

    allowed: bool
    kind: Kind | None
    wait_ms: int | None
    quotas: tuple[Quota, ...]
    expired: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveMessage:
    """What `reserve` is called with, read."""

    identity: str
    ask: Ask
    ceilings: Ceilings
    lease_ms: int


def reserve_text(identity: str, ask: Ask, limits: TenantLimits, lease_ms: int) -> str:
    """What `reserve` is called with."""
    return json.dumps(
        {
            "id": identity,
            "tokens": min(ask.tokens, LARGEST),
            "nano_usd": ask.nano_usd,
            "calls_model": ask.calls_model,
            "lease_ms": lease_ms,
            "limits": ceilings_of(limits),
        }
    )


def settle_text(identity: str, tokens: int, nanos: int) -> str:
    """What `settle` is called with."""
    return json.dumps({"id": identity, "tokens": min(tokens, LARGEST), "nano_usd": nanos})


def usage_text(limits: TenantLimits) -> str:
    """What `usage` is called with."""
    return json.dumps({"limits": ceilings_of(limits)})


def ceilings_of(limits: TenantLimits) -> dict[str, int]:
    """The limits that there are, in the ledger's units."""
    day, month = limits.usd_per_day, limits.usd_per_month
    values = {
        "requests": limits.requests_per_minute,
        "tokens": limits.tokens_per_minute,
        "day_nano_usd": None if day is None else nano_usd(day),
        "month_nano_usd": None if month is None else nano_usd(month),
    }
    return {name: value for name, value in values.items() if value is not None}


def read_reserve(text: str) -> ReserveMessage:
    """Raises `ValueError` for what no gateway sends."""
    message = _object(text)
    ask = Ask(
        tokens=_count(message, "tokens"),
        nano_usd=_count(message, "nano_usd"),
        calls_model=message.get("calls_model") is not False,
    )
    return ReserveMessage(
        identity=_identity(message),
        ask=ask,
        ceilings=_read_ceilings(message),
        lease_ms=_count(message, "lease_ms"),
    )


def read_settle(text: str) -> tuple[str, int, int]:
    """Id, tokens, billionths of a dollar. Raises `ValueError`."""
    message = _object(text)
    return _identity(message), _count(message, "tokens"), _count(message, "nano_usd")


def read_usage(text: str) -> Ceilings:
    """Raises `ValueError`."""
    return _read_ceilings(_object(text))


def decision_text(decision: Decision) -> str:
    """The answer to `reserve` and to `usage`."""
    return json.dumps(
        {
            "allowed": decision.allowed,
            "kind": decision.kind,
            "wait_ms": decision.wait_ms,
            "quotas": [(q.kind, q.limit, q.used, q.reserved, q.reset_ms) for q in decision.quotas],
            "expired": decision.expired,
        }
    )


def read_decision(text: str) -> Decision:
    """Raises `ValueError` for what no ledger says."""
    message = _object(text)
    try:
        kind, wait_ms = message["kind"], message["wait_ms"]
        return Decision(
            allowed=message["allowed"] is True,
            kind=None if kind is None else Kind(kind),
            wait_ms=wait_ms,
            quotas=tuple(
                Quota(kind=Kind(kind), limit=limit, used=used, reserved=reserved, reset_ms=reset_ms)
                for kind, limit, used, reserved, reset_ms in message["quotas"]
            ),
            expired=message["expired"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a ledger's answer: {error!r}") from None


def settled_text(result: Settled, expired: int) -> str:
    """The answer to `settle`."""
    return json.dumps({"result": result, "expired": expired})


def read_settled(text: str) -> tuple[Settled, int]:
    """Raises `ValueError`."""
    message = _object(text)
    return Settled(str(message.get("result"))), _count(message, "expired")


def _object(text: str) -> Mapping[str, Any]:
    message = strict_json.loads(text.encode())
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message


def _identity(message: Mapping[str, Any]) -> str:
    identity = message.get("id")
    if not isinstance(identity, str) or not 0 < len(identity) <= MAX_ID_CHARS:
        raise ValueError("no id")
    return identity


def _count(message: Mapping[str, Any], name: str) -> int:
    value = message.get(name)
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise ValueError(f"{name} is not a count")
    return value


def _read_ceilings(message: Mapping[str, Any]) -> Ceilings:
    limits = message.get("limits")
    if not isinstance(limits, dict):
        raise ValueError("no limits")
    known = ("requests", "tokens", "day_nano_usd", "month_nano_usd")
    return Ceilings(**{name: _count(limits, name) for name in known if name in limits})
