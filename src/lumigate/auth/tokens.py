"""Checks bearer tokens of the issuers that settings trust: cheap checks first, dear ones last.

Its `iss` only says whose keys to try; no other claim is believed, or told apart, before the signature holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lumigate.auth import jws
from lumigate.auth.caller import KEY_SUBJECT, Caller
from lumigate.auth.claims import ClaimRules, check_claims, check_type, region, scopes, text
from lumigate.auth.key_set import KeySet
from lumigate.auth.revocation import Revocations
from lumigate.auth.settings import AuthSettings, TrustedIssuer
from lumigate.auth.verified import VerifiedTokens
from lumigate.errors import Unauthenticated
from lumigate.scope import Scope
from lumigate.telemetry import Span

MAX_TENANT_CHARS = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trust:
    """An issuer, what its tokens must say, and its keys."""

    settings: TrustedIssuer
    rules: ClaimRules
    keys: KeySet


class TokenChecker:
    """One an isolate; holds the issuers' keys between requests, and for a minute which signatures have held."""

    def __init__(self, settings: AuthSettings, revocations: Revocations) -> None:
        self._revocations = revocations
        self._verified = VerifiedTokens()
        self._algorithms = frozenset(name for issuer in settings.issuers for name in issuer.algorithms)
        self._trusted = {issuer.issuer: _trust(issuer, settings) for issuer in settings.issuers}

    async def check(self, scope: Scope, credential: str, span: Span) -> Caller:
        """Who the token is of. Raises `Unauthenticated`."""
        if not self._trusted:
            raise Unauthenticated("wrong_issuer")
        now_seconds = scope.clock.now_ns() / 1e9
        verified = self._verified.get(credential, now_seconds)
        token = jws.parse(credential, self._algorithms) if verified is None else verified.token
        issuer = token.claims.get("iss")
        trust = self._trusted.get(issuer) if isinstance(issuer, str) else None
        if trust is None:
            raise Unauthenticated("wrong_issuer")
        if token.algorithm not in trust.settings.algorithms:
            raise Unauthenticated("unsupported_algorithm")
        refusal = _refusal(token, trust.rules, now_seconds)
        key = await trust.keys.key(scope, token.key_id, token.algorithm, span, worth_a_fetch=refusal is None)
        if verified is None or verified.key is not key:
            if verified is not None:
                token = jws.parse(credential, self._algorithms)
            if not await scope.ports.crypto.verify(key, token.signature, token.signed):
                raise Unauthenticated("bad_signature")
            if refusal is None:
                self._verified.put(credential, token, key, now_seconds)
        if refusal is not None:
            raise refusal
        caller = _caller(token.claims, trust.settings)
        await self._revocations.check(scope, trust.settings.issuer, token.claims)
        return caller


def _trust(issuer: TrustedIssuer, settings: AuthSettings) -> _Trust:
    return _Trust(
        settings=issuer,
        rules=ClaimRules(
            issuer=issuer.issuer,
            audiences=frozenset(issuer.audience),
            parties=frozenset(issuer.authorized_parties),
            types=None if issuer.types is None else frozenset(issuer.types),
            leeway_seconds=settings.leeway_seconds,
            max_lifetime_seconds=settings.max_lifetime_seconds,
        ),
        keys=KeySet(issuer.jwks_url, issuer.algorithms, max_stale_seconds=settings.max_stale_seconds),
    )


def _refusal(token: jws.Token, rules: ClaimRules, now_seconds: float) -> Unauthenticated | None:
    """What will be said of the claims once the signature holds."""
    try:
        check_type(token.type, rules)
        check_claims(token.claims, rules, now_seconds)
    except Unauthenticated as error:
        return error
    return None


def _caller(claims: Mapping[str, Any], issuer: TrustedIssuer) -> Caller:
    subject = text(claims, "sub")
    # What a key holds is not for whoever may choose a name at an issuer.
    if subject is None or subject.startswith(KEY_SUBJECT):
        raise Unauthenticated("malformed")
    tenant = issuer.tenant or _tenant(claims, issuer.tenant_claim) or subject
    return Caller(
        tenant=tenant_name(tenant),
        subject=subject,
        scopes=scopes(claims, issuer.scope_claim),
        region=region(claims, issuer.region_claim),
    )


def _tenant(claims: Mapping[str, Any], name: str) -> str | None:
    """A number, or a list, is no name: whoever has one is of some tenant, and must not become one of their own."""
    if not isinstance(claims.get(name, ""), str | None):
        raise Unauthenticated("malformed")
    return text(claims, name)


def tenant_name(text: str) -> str:
    """A bounded name. A long one ends in a digest, so that two which begin alike never become one tenant."""
    if len(text) <= MAX_TENANT_CHARS:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return f"{text[: MAX_TENANT_CHARS - len(digest) - 1]}~{digest}"
