"""Tokens whose signatures have held here: a client shows the same one with each of its requests.

What is remembered is that a signature held under a key, and the claims it covers; never the token itself, which is
known by its SHA-256. It counts for at most `VERIFIED_SECONDS`, never beyond the token's own end, and only under the
very key that was asked: a set that has been fetched anew has keys of its own, and takes everything back. Claims,
revocation and rights are looked at each time, as if the token were new.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from lumigate.auth.claims import instant
from lumigate.auth.expiring import ExpiringCache
from lumigate.auth.jws import MAX_TOKEN_CHARS, Token
from lumigate.ports import VerifyKey

VERIFIED_SECONDS = 60.0
VERIFIED_REMEMBERED = 500


@dataclass(frozen=True, slots=True)
class Verified:
    """A token without its signature and what that covers, and the key under which the one held for the other."""

    token: Token
    key: VerifyKey


class VerifiedTokens:
    """One for all issuers of an isolate: a token names its own, so no two share an entry."""

    def __init__(self) -> None:
        self._known: ExpiringCache[Verified] = ExpiringCache(VERIFIED_REMEMBERED)

    def __len__(self) -> int:
        return len(self._known)

    def get(self, credential: str, now_s: float) -> Verified | None:
        """What is known of a token; it says nothing about any key but its own."""
        if len(credential) > MAX_TOKEN_CHARS:
            return None
        found = self._known.get(_name(credential), now_s)
        return None if found is None else found[0]

    def put(self, credential: str, token: Token, key: VerifyKey, now_s: float) -> None:
        """Remember a token whose signature has just held, and whose claims are good."""
        expires_s = instant(token.claims, "exp")
        until_s = now_s + VERIFIED_SECONDS
        self._known.put(
            _name(credential),
            Verified(replace(token, signed=b"", signature=b""), key),
            until_s if expires_s is None else min(until_s, expires_s),
        )


def _name(credential: str) -> str:
    return hashlib.sha256(credential.encode("utf-8", "surrogatepass")).hexdigest()
