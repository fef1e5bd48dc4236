"""The admin routes of API keys (`lumigate.auth.key_store`): make, list, revoke, rotate. A key is shown once.

POST /admin/keys           {"tenant", "name", "scopes", "expires_in_seconds"}
GET  /admin/keys?cursor=
POST /admin/keys/revoke    {"id"}
POST /admin/keys/rotate    {"id", "overlap_seconds"}
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from lumigate.api.admin import Body, PlainText, asking_the_store, cursor, key_value, read_body
from lumigate.auth.api_keys import ApiKeys
from lumigate.auth.key_store import KeyRecord, KeyStore
from lumigate.errors import NotConfigured, UnknownApiKeyId
from lumigate.http.types import Response, json_response
from lumigate.scope import Scope

DAY_SECONDS = 86_400
_ScopeName = Annotated[str, StringConstraints(pattern=r"^[\x21\x23-\x5B\x5D-\x7E]{1,128}$")]
_KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{12}$")]


class _NewKey(Body):
    tenant: Annotated[PlainText, Field(max_length=96)]
    name: PlainText = "unnamed"
    scopes: Annotated[list[_ScopeName], Field(max_length=50)] = Field(default_factory=list)
    expires_in_seconds: Annotated[int, Field(ge=60, le=10 * 366 * DAY_SECONDS)] = 365 * DAY_SECONDS


class _WhichKey(Body):
    id: _KeyId


class _Rotation(_WhichKey):
    overlap_seconds: Annotated[int, Field(ge=0, le=90 * DAY_SECONDS)] = 7 * DAY_SECONDS


class AdminKeys:
    """The handlers, one a route."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def create(self, scope: Scope) -> Response:
        body = await read_body(scope, _NewKey)
        now_s = scope.clock.now_ns() / 1e9
        store = self._store(scope)
        with asking_the_store():
            key, record = await store.create(
                tenant=body.tenant,
                name=body.name,
                scopes=body.scopes,
                now_s=now_s,
                expires_s=now_s + body.expires_in_seconds,
            )
        self._keys.changed(record)
        return _secret(201, {**shown(record, now_s), "key": key})

    async def list(self, scope: Scope) -> Response:
        after = cursor(scope)
        store = self._store(scope)
        with asking_the_store():
            records, following = await store.list(after)
        now_s = scope.clock.now_ns() / 1e9
        data = [shown(record, now_s) for record in records]
        return json_response(200, {"object": "list", "data": data, "cursor": following})

    async def revoke(self, scope: Scope) -> Response:
        body = await read_body(scope, _WhichKey)
        now_s = scope.clock.now_ns() / 1e9
        store = self._store(scope)
        with asking_the_store():
            record = await store.revoke(body.id, now_s)
        if record is None:
            raise UnknownApiKeyId
        self._keys.changed(record)
        return json_response(200, shown(record, now_s))

    async def rotate(self, scope: Scope) -> Response:
        body = await read_body(scope, _Rotation)
        now_s = scope.clock.now_ns() / 1e9
        store = self._store(scope)
        with asking_the_store():
            rotated = await store.rotate(body.id, now_s=now_s, overlap_seconds=body.overlap_seconds)
        if rotated is None:
            raise UnknownApiKeyId
        key, record, old = rotated
        self._keys.changed(record)
        self._keys.changed(old)
        return _secret(201, {**shown(record, now_s), "key": key, "replaces": shown(old, now_s)})

    def _store(self, scope: Scope) -> KeyStore:
        store = key_value(scope)
        if not self._keys.peppers:
            raise NotConfigured("API_KEY_PEPPER")
        return self._keys.store(scope, store)


def shown(record: KeyRecord, now_s: float) -> dict[str, Any]:
    """What a list shows of a key: neither the key nor its hash."""
    return {
        "object": "api_key",
        "id": record.id,
        "tenant": record.tenant,
        "name": record.name,
        "scopes": list(record.scopes),
        "state": record.state(now_s),
        "created_at": record.created_s,
        "expires_at": record.expires_s,
        "revoked_at": record.revoked_s,
        "replaced_by": record.replaced_by,
    }


def _secret(status: int, content: dict[str, Any]) -> Response:
    return json_response(status, content, {"cache-control": "no-store"})
