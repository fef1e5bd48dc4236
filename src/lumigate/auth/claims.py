"""What a token must claim to be let in (RFC 7519, section 4.1). Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lumigate.errors import Unauthenticated


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRules:
    """Whose tokens are accepted, for whom, and how far clocks may differ."""

    issuer: str
    audience: str
    leeway_seconds: float


def check_claims(claims: Mapping[str, Any], rules: ClaimRules, now_seconds: float) -> None:
    """Raises `Unauthenticated` with the first reason that applies. `exp` is required, `nbf` and `iat` are not."""
    if claims.get("iss") != rules.issuer:
        raise Unauthenticated("wrong_issuer")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if rules.audience not in audiences:
        raise Unauthenticated("wrong_audience")
    expires = _instant(claims, "exp")
    if expires is None:
        raise Unauthenticated("malformed")
    if now_seconds >= expires + rules.leeway_seconds:
        raise Unauthenticated("expired")
    for name in ("nbf", "iat"):
        instant = _instant(claims, name)
        if instant is not None and now_seconds < instant - rules.leeway_seconds:
            raise Unauthenticated("not_yet_valid")


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate, or None where absent. Anything that is not a finite number is malformed."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthenticated("malformed")
    try:
        seconds = float(value)
    except OverflowError:
        raise Unauthenticated("malformed") from None
    if not math.isfinite(seconds):
        raise Unauthenticated("malformed")
    return seconds
