"""What a token must claim to be let in (RFC 7519, section 4.1; OpenID Connect Core, section 2). Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lumigate.errors import Unauthenticated

_USUAL_TYPES = frozenset({"jwt", "at+jwt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRules:
    """Whose tokens are accepted, for whom, and how far clocks may differ.

    Without `audiences` any will do; without `parties` any `azp` will, and then audiences must be there: settings see
    to that. `types` None takes a token of a usual type and one that names none.
    """

    issuer: str
    audiences: frozenset[str]
    parties: frozenset[str] = field(default_factory=frozenset)
    types: frozenset[str] | None = None
    leeway_seconds: float
    max_lifetime_seconds: float = math.inf


def check_claims(claims: Mapping[str, Any], rules: ClaimRules, now_seconds: float) -> None:
    """Raises `Unauthenticated` with the first reason that applies. `exp` is required, `nbf` and `iat` are not."""
    if claims.get("iss") != rules.issuer:
        raise Unauthenticated("wrong_issuer")
    if rules.audiences and not _names_us(claims.get("aud"), rules.audiences):
        raise Unauthenticated("wrong_audience")
    if rules.parties:
        party = claims.get("azp")
        if not isinstance(party, str) or party not in rules.parties:
            raise Unauthenticated("wrong_party")
    expires = instant(claims, "exp")
    if expires is None:
        raise Unauthenticated("malformed")
    if now_seconds >= expires + rules.leeway_seconds:
        raise Unauthenticated("expired")
    if expires - now_seconds > rules.max_lifetime_seconds + rules.leeway_seconds:
        raise Unauthenticated("lifetime_too_long")
    for name in ("nbf", "iat"):
        begins = instant(claims, name)
        if begins is not None and now_seconds < begins - rules.leeway_seconds:
            raise Unauthenticated("not_yet_valid")


def check_type(token_type: str | None, rules: ClaimRules) -> None:
    """A token made for something else (a logout, a proof) is no access token (RFC 8725, section 3.11)."""
    if rules.types is None:
        allowed = token_type is None or token_type in _USUAL_TYPES
    else:
        allowed = token_type in rules.types
    if not allowed:
        raise Unauthenticated("wrong_type")


def text(claims: Mapping[str, Any], name: str) -> str | None:
    """A claim that is a text, None where it is absent, empty or something else."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        return None
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        # Half a character: it would be replaced on the way out, and two names could become one.
        raise Unauthenticated("malformed")
    return value


def scopes(claims: Mapping[str, Any], name: str | None) -> frozenset[str]:
    """What the token grants: names in a text, separated by blanks (RFC 8693, section 4.2), or a list of them."""
    value = claims.get(name) if name is not None else claims.get("scope", claims.get("scp"))
    if isinstance(value, str):
        return frozenset(value.split(" ")) - {""}
    if isinstance(value, list):
        return frozenset(entry for entry in value if isinstance(entry, str))
    return frozenset()


def region(claims: Mapping[str, Any], name: str | None) -> str:
    """Where the data must stay: `eu`, or nowhere in particular. A claim that is no text is malformed.

    Other names say where someone is rather than where data must stay; one of another region is not ours to keep.
    """
    value = claims.get(name) if name is not None else None
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unauthenticated("malformed")
    return "eu" if value.strip().lower() == "eu" else ""


def instant(claims: Mapping[str, Any], name: str) -> float | None:
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


def _names_us(audience: Any, ours: frozenset[str]) -> bool:
    named = audience if isinstance(audience, list) else [audience]
    return any(isinstance(name, str) and name in ours for name in named)
