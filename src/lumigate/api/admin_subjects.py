"""What is held of a subject, for operators: `GET /admin/subjects/{subject}?tenant=…` shows it, `DELETE` removes it.

- Sessions are the subject's own.
- Cached answers belong to a tenant and not to whoever asked first, so all of the tenant's are removed, and those that
  tenants share; a model can say them again. They are not shown: nothing in them says whose they are.
- An API key is a subject itself (`key:ID`): its record is removed, and the key with it. Those in settings stay there.

Both answer some at a time: `more` and `cursor` say to ask again. Tokens stay valid until they are revoked.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from lumigate.api.admin import asking_the_store
from lumigate.api.admin_keys import shown
from lumigate.api.sessions import NO_STORE, counted
from lumigate.auth.api_keys import ApiKeys
from lumigate.auth.caller import KEY_SUBJECT
from lumigate.auth.key_store import PREFIX, KeyRecord
from lumigate.auth.tokens import tenant_name
from lumigate.cache.key import SHARED, namespace_of
from lumigate.cache.purge import Purger
from lumigate.cache.tiers import TieredCache
from lumigate.config import Settings
from lumigate.errors import InvalidRequest
from lumigate.http.paths import parameter
from lumigate.http.types import Response, json_response
from lumigate.region import everywhere
from lumigate.scope import Scope
from lumigate.sessions.ids import owner_of
from lumigate.sessions.subjects import export_sessions, forget_sessions

SUBJECT_ROUTE = "/admin/subjects/{subject}"
_MAX_QUERY_CHARS = 4096


class AdminSubjects:
    """The handlers. One an isolate."""

    def __init__(self, settings: Settings, cache: TieredCache, keys: ApiKeys) -> None:
        self._settings = settings
        self._purger = Purger(cache)
        self._keys = keys

    async def forget(self, scope: Scope) -> Response:
        """DELETE."""
        return await counted(scope, "forget", self._forget)

    async def export(self, scope: Scope) -> Response:
        """GET."""
        return await counted(scope, "export", self._export)

    async def _forget(self, scope: Scope) -> Response:
        tenant, subject, _ = _named(scope)
        sessions = {"sessions": 0, "turns": 0, "versions": 0, "more": 0}
        for own in everywhere(scope):
            gone = await forget_sessions(own, self._settings.sealing_keys, owner_of(tenant, subject))
            sessions = {what: count + gone[what] for what, count in sessions.items()}
        with asking_the_store():
            cache = await self._erase(scope, tenant)
            record = await self._key(scope, tenant, subject)
            if record is not None:
                await self._remove_key(scope, record)
        content = {
            "object": "subject.forgotten",
            "tenant": tenant,
            "subject": subject,
            "removed": {
                **{what: sessions[what] for what in ("sessions", "turns", "versions")},
                "cache_entries": cache[0],
                "api_keys": int(record is not None),
            },
            "more": bool(sessions["more"]) or cache[1],
        }
        return json_response(200, content, NO_STORE)

    async def _export(self, scope: Scope) -> Response:
        tenant, subject, after = _named(scope)
        keys, owner = self._settings.sealing_keys, owner_of(tenant, subject)
        pages = [await export_sessions(own, keys, owner, after) for own in everywhere(scope)]
        with asking_the_store():
            record = await self._key(scope, tenant, subject)
        now_s = scope.clock.now_ns() / 1e9
        content = {
            "object": "subject.export",
            "tenant": tenant,
            "subject": subject,
            "sessions": [session for page in pages for session in page["sessions"]],
            "api_keys": [] if record is None else [shown(record, now_s)],
            # The same for all of them: a page is so many of each.
            "cursor": next((page["cursor"] for page in pages if page["cursor"]), None),
        }
        return json_response(200, content, NO_STORE)

    async def _erase(self, scope: Scope, tenant: str) -> tuple[int, bool]:
        """How many cached answers went, and whether there are more."""
        if scope.ports.key_value is None and scope.ports.blobs is None:
            return 0, False
        erased, more = await self._purger.erase(scope, namespace_of(tenant, shared=False))
        shared, more_shared = await self._purger.erase(scope, SHARED)
        return erased + shared, more or more_shared

    async def _key(self, scope: Scope, tenant: str, subject: str) -> KeyRecord | None:
        """The record of the key that the subject is, if it is one of the tenant's."""
        store = scope.ports.key_value
        if store is None or not subject.startswith(KEY_SUBJECT):
            return None
        record = await self._keys.store(scope, store).find(subject.removeprefix(KEY_SUBJECT))
        return record if record is not None and record.tenant == tenant else None

    async def _remove_key(self, scope: Scope, record: KeyRecord) -> None:
        store = scope.ports.key_value
        assert store is not None
        await store.delete(PREFIX + record.id)
        self._keys.changed(record)


def _named(scope: Scope) -> tuple[str, str, int]:
    """Tenant, subject and cursor. Raises `InvalidRequest`."""
    subject = parameter(SUBJECT_ROUTE, scope.request.path, "subject")
    query: dict[str, list[Any]] = {}
    if len(scope.request.query) <= _MAX_QUERY_CHARS:
        query = parse_qs(scope.request.query)
    tenant = query.get("tenant", [""])[-1]
    if not tenant:
        raise InvalidRequest("is required in the query", param="tenant")
    cursor = query.get("cursor", ["0"])[-1]
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 10):
        raise InvalidRequest("is none that was given out", param="cursor")
    return tenant_name(tenant), subject, int(cursor)
