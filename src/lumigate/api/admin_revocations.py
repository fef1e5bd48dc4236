"""POST and GET /admin/revocations: the deny list of tokens (`lumigate.auth.revocation`)."""

from __future__ import annotations

import math
from typing import Any, Self

from pydantic import model_validator

from lumigate.api.admin import Body, Instant, PlainText, asking_the_store, cursor, key_value, read_body
from lumigate.auth.revocation import PREFIX, Revocation, Revocations, entry_id
from lumigate.errors import InvalidRequest
from lumigate.http.types import Response, json_response
from lumigate.scope import Scope

PAGE_ENTRIES = 40
"""An entry is a read of its own, and a request on Cloudflare's free plan has 50."""


class _NewRevocation(Body):
    """One token by its `jti`, or all tokens of a subject that were issued before an instant."""

    jti: PlainText | None = None
    subject: PlainText | None = None
    issuer: PlainText | None = None
    issued_before: Instant | None = None
    expires_at: Instant | None = None

    @model_validator(mode="after")
    def _names_one_thing(self) -> Self:
        if (self.jti is None) == (self.subject is None):
            raise ValueError("name either jti or subject")
        if self.jti is not None and self.issued_before is not None:
            raise ValueError("issued_before goes with subject: a jti names one token, whenever it was issued")
        return self


class AddRevocation:
    """POST. The answer says by when the entry holds everywhere."""

    def __init__(self, revocations: Revocations, issuers: tuple[str, ...]) -> None:
        self._revocations = revocations
        self._issuers = issuers

    async def __call__(self, scope: Scope) -> Response:
        body = await read_body(scope, _NewRevocation)
        store = key_value(scope)
        now_s = scope.clock.now_ns() / 1e9
        entry = self._entry(body, now_s)
        with asking_the_store():
            await self._revocations.revoke(store, entry, now_s)
        content = _shown(entry) | {"effective_within_seconds": self._revocations.effective_within_seconds}
        return json_response(201, content)

    def _entry(self, body: _NewRevocation, now_s: float) -> Revocation:
        issuer = body.issuer
        if issuer is None:
            if len(self._issuers) != 1:
                raise InvalidRequest("is missing: several issuers are trusted here", "issuer")
            issuer = self._issuers[0]
        elif issuer not in self._issuers:
            raise InvalidRequest("is not trusted here anyway", "issuer")
        longest_s = math.ceil(now_s) + self._revocations.lifetime_seconds()
        if body.jti is not None:
            # The entry must outlive the token, so what the caller says can only shorten it to the token's own end.
            expires_s = (
                min(body.expires_at + self._revocations.margin_seconds(), longest_s)
                if body.expires_at
                else longest_s
            )
            kind, value, before_s = "jti", body.jti, math.inf
        else:
            assert body.subject is not None
            if body.expires_at is not None:
                raise InvalidRequest("goes with jti: a subject has many tokens", "expires_at")
            before_s = float(math.floor(now_s) if body.issued_before is None else body.issued_before)
            if before_s > now_s:
                raise InvalidRequest(
                    "is in the future: tokens of then cannot be revoked yet", "issued_before"
                )
            kind, value, expires_s = "sub", body.subject, longest_s
        return Revocation(
            id=entry_id(kind, issuer, value),
            kind=kind,
            issuer=issuer,
            issued_before_s=before_s,
            created_s=int(now_s),
            expires_s=expires_s,
        )


async def list_revocations(scope: Scope) -> Response:
    """GET. Ids are digests: who was revoked is in no answer."""
    store = key_value(scope)
    after = cursor(scope)
    entries = []
    with asking_the_store():
        names, following = await store.names(PREFIX, limit=PAGE_ENTRIES, cursor=after)
        for name in names:
            data = await store.get(name)
            if data is not None:  # gone meanwhile
                entries.append(_shown(Revocation.from_json(name.removeprefix(PREFIX), data)))
    return json_response(200, {"object": "list", "data": entries, "cursor": following})


def _shown(entry: Revocation) -> dict[str, Any]:
    before_s = entry.issued_before_s
    return {
        "object": "revocation",
        "id": entry.id,
        "kind": "token" if entry.kind == "jti" else "subject",
        "issuer": entry.issuer,
        "issued_before": None if math.isinf(before_s) else int(before_s),
        "created_at": entry.created_s,
        "expires_at": entry.expires_s,
    }
