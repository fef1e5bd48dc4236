"""Who is calling: a bearer token of a trusted issuer, or an API key.

One span (`auth.check`), one counter and one histogram a check, with a reason from the catalog's closed set; never the
credential itself.
"""

from __future__ import annotations

import hashlib

from lumigate.auth import jws
from lumigate.auth.api_keys import ApiKeys
from lumigate.auth.caller import Caller
from lumigate.auth.revocation import Revocations
from lumigate.auth.settings import AuthSettings
from lumigate.auth.tokens import TokenChecker
from lumigate.errors import Unauthenticated
from lumigate.scope import Scope, Step

__all__ = ["Authenticator", "Caller"]

_SCHEME = "bearer "


class Authenticator:
    """One an isolate; `revocations` and `api_keys` are what the admin routes change."""

    def __init__(self, settings: AuthSettings) -> None:
        self.revocations = Revocations(settings)
        self.api_keys = ApiKeys(settings)
        self._tokens = TokenChecker(settings, self.revocations)

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
        facts.subject_hash = subject_hash(caller.subject)
        scope.span.set_attribute("lumigate.tenant", caller.tenant)
        return caller

    async def _identify(self, scope: Scope, credential: str | None, step: Step) -> Caller:
        if credential is None:
            raise Unauthenticated("missing")
        if jws.looks_like_jws(credential):
            return await self._tokens.check(scope, credential, step.span)
        return await self.api_keys.check(scope, credential)


def subject_hash(subject: str) -> str:
    """By what telemetry knows a subject."""
    return hashlib.sha256(subject.encode("utf-8", "replace")).hexdigest()[:16]


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
    seconds = step.seconds
    scope.facts.auth_ns = round(seconds * 1e9)
    labels = {"lumigate.auth.method": scope.facts.auth_method, "lumigate.auth.result": result}
    step.span.set_attributes({**labels, "lumigate.auth.reason": reason})
    scope.instruments.auth_duration.record(seconds, labels, span=step.span)
    scope.instruments.auth_checks.add(1, {**labels, "lumigate.auth.reason": reason})
