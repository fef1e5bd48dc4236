"""Who is calling: a bearer token of the configured issuer, or an API key.

One span (`auth.check`), one counter and one histogram a check, with a reason from the catalog's closed set; never the
credential itself.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lumigate.auth import jws
from lumigate.auth.claims import ClaimRules, check_claims
from lumigate.auth.key_set import KeySet
from lumigate.config import Settings
from lumigate.errors import Unauthenticated
from lumigate.scope import Scope, Step

_SCHEME = "bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Someone who has been let in. `subject` is stable within the tenant and is personal data."""

    tenant: str
    subject: str


class Authenticator:
    """One an isolate; holds the issuer's keys between requests."""

    def __init__(self, settings: Settings) -> None:
        self._rules: ClaimRules | None = None
        if settings.jwt_issuer and settings.jwt_audience and settings.jwks_url:
            self._rules = ClaimRules(
                issuer=settings.jwt_issuer,
                audience=settings.jwt_audience,
                leeway_seconds=settings.jwt_leeway_seconds,
            )
            self._key_set = KeySet(settings.jwks_url, "RS256")
        self._tenant_claim = settings.jwt_tenant_claim
        # Looked up by digest: an attacker who can time the lookup learns about digests, not about keys.
        self._tenants = {key.sha256: key.tenant for key in settings.api_keys}

    async def check(self, scope: Scope) -> Caller:
        """Let the caller in or raise `Unauthenticated`; telemetry is written either way."""
        facts = scope.facts
        credential = _credential(scope)
        facts.auth_method = (
            "none" if credential is None else "bearer" if jws.looks_like_jws(credential) else "api_key"
        )
        with scope.step("auth.check") as step:
            try:
                caller = await self._identify(scope, credential, step)
            except Unauthenticated as error:
                _record(scope, step, "denied", error.reason)
                raise
            _record(scope, step, "allowed", "ok")
        facts.tenant = caller.tenant
        facts.subject_hash = hashlib.sha256(caller.subject.encode("utf-8", "replace")).hexdigest()[:16]
        scope.span.set_attribute("lumigate.tenant", caller.tenant)
        return caller

    async def _identify(self, scope: Scope, credential: str | None, step: Step) -> Caller:
        if credential is None:
            raise Unauthenticated("missing")
        if jws.looks_like_jws(credential):
            return await self._check_token(scope, credential, step)
        digest = hashlib.sha256(credential.encode("utf-8", "replace")).hexdigest()
        tenant = self._tenants.get(digest)
        if tenant is None:
            raise Unauthenticated("unknown_api_key")
        return Caller(tenant=tenant, subject=f"key:{digest[:16]}")

    async def _check_token(self, scope: Scope, credential: str, step: Step) -> Caller:
        """Cheap checks before dear ones; but no claim is believed, or told apart, before the signature holds."""
        if self._rules is None:
            raise Unauthenticated("wrong_issuer")
        token = jws.parse(credential)
        key = await self._key_set.key(scope, token.key_id, step.span)
        if not await scope.ports.crypto.verify(key, token.signature, token.signed):
            raise Unauthenticated("bad_signature")
        check_claims(token.claims, self._rules, scope.clock.now_ns() / 1e9)
        subject = token.claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise Unauthenticated("malformed")
        tenant = token.claims.get(self._tenant_claim)
        return Caller(
            tenant=tenant[:96] if isinstance(tenant, str) and tenant else subject[:96], subject=subject
        )


def _credential(scope: Scope) -> str | None:
    """The bearer credential, or the `x-api-key` header that Anthropic's clients send."""
    header = scope.headers.get("authorization", "")
    if header[: len(_SCHEME)].lower() == _SCHEME:
        credential = header[len(_SCHEME) :].strip()
    else:
        credential = scope.headers.get("x-api-key", "").strip()
    return credential or None


def _record(scope: Scope, step: Step, result: str, reason: str) -> None:
    scope.facts.auth_reason = reason
    labels = {"lumigate.auth.method": scope.facts.auth_method, "lumigate.auth.result": result}
    step.span.set_attributes({**labels, "lumigate.auth.reason": reason})
    scope.instruments.auth_duration.record(step.seconds, labels, span=step.span)
    scope.instruments.auth_checks.add(1, {**labels, "lumigate.auth.reason": reason})
