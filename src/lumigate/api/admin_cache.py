"""The admin routes of the cache: what there is, and taking it out before its time.

GET  /admin/cache?tenant=        what this isolate knows, and how much lies below of a tenant
POST /admin/cache/purge          {"tenant" | "shared" | "everyone", and perhaps one of "key", "model", "tag"}; "erase"
"""

from __future__ import annotations

from typing import Annotated, Any, Self
from urllib.parse import parse_qs

from pydantic import Field, StringConstraints, model_validator

from lumigate.api.admin import MAX_CURSOR_CHARS, Body, PlainText, asking_the_store, read_body
from lumigate.cache.key import SHARED, namespace_of
from lumigate.cache.policy import is_tag
from lumigate.cache.purge import Purger, target_of
from lumigate.cache.tiers import TieredCache
from lumigate.errors import InvalidRequest
from lumigate.http.types import Response, json_response
from lumigate.record import rfc3339
from lumigate.scope import Scope

_Key = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Purge(Body):
    """`everyone` must be said, so that nobody purges all tenants by leaving a word out."""

    tenant: Annotated[PlainText, Field(max_length=96)] | None = None
    shared: bool = False
    everyone: bool = False
    key: _Key | None = None
    model: PlainText | None = None
    tag: PlainText | None = None
    erase: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.tenant is not None) + self.shared + self.everyone != 1:
            raise ValueError("name one of 'tenant', 'shared' and 'everyone'")
        if sum(name is not None for name in (self.key, self.model, self.tag)) > 1:
            raise ValueError("name at most one of 'key', 'model' and 'tag'")
        if self.key is not None and self.everyone:
            raise ValueError("a 'key' belongs to a tenant, or is shared")
        if self.tag is not None and not is_tag(self.tag):
            raise ValueError("'tag' is none that an answer can have")
        if self.erase and (self.everyone or self.key or self.model or self.tag):
            raise ValueError("'erase' is for all of one tenant, or all that is shared")
        return self

    @property
    def namespace(self) -> str | None:
        if self.everyone:
            return None
        return SHARED if self.shared else namespace_of(self.tenant or "", shared=False)


class AdminCache:
    """The handlers."""

    def __init__(self, cache: TieredCache) -> None:
        self._purger = Purger(cache)

    async def purge(self, scope: Scope) -> Response:
        body = await read_body(scope, _Purge)
        target = target_of(namespace=body.namespace, key=body.key, model=body.model, tag=body.tag)
        answer: dict[str, Any] = {
            "object": "cache.purge",
            "kind": target.told_as,
            "purged_before": rfc3339(scope.clock.now_ns()),
            "seen_within_seconds": self._purger.seen_within_seconds,
        }
        with asking_the_store():
            if body.erase and target.namespace is not None:
                answer["erased"], answer["more"] = await self._purger.erase(scope, target.namespace)
            else:
                answer["left_memory"] = await self._purger.purge(scope, target)
        return json_response(200, answer, {"cache-control": "no-store"})

    async def stats(self, scope: Scope) -> Response:
        namespace = _namespace(scope.request.query)
        with asking_the_store():
            told = await self._purger.stats(scope, namespace)
        return json_response(200, {"object": "cache.stats", **told}, {"cache-control": "no-store"})


def _namespace(query: str) -> str | None:
    if len(query) > MAX_CURSOR_CHARS:
        raise InvalidRequest("is too long", "query")
    values = parse_qs(query, errors="replace")
    if "tenant" in values:
        return namespace_of(values["tenant"][0], shared=False)
    return SHARED if "shared" in values else None
