"""Lets in callers by API key: those in the settings, and those in KV that `lumigate keys` and the admin route make.

Records are remembered in the isolate, those that do not exist as well, for the time that settings say.
"""

from __future__ import annotations

import hashlib

from lumigate.auth import api_key
from lumigate.auth.caller import KEY_SUBJECT, Caller
from lumigate.auth.expiring import ExpiringCache
from lumigate.auth.key_store import KeyRecord, KeyStore
from lumigate.auth.settings import AuthSettings
from lumigate.errors import CredentialStoreUnavailable, Unauthenticated
from lumigate.ports import KeyValue
from lumigate.scope import Scope

MAX_KEY_CHARS = 512
REMEMBERED = 2000
STORE_TIMEOUT_SECONDS = 2.0


class ApiKeys:
    """One an isolate."""

    def __init__(self, settings: AuthSettings) -> None:
        # Looked up by digest: an attacker who can time the lookup learns about digests, not about keys.
        self._static = {
            key.sha256: Caller(
                tenant=key.tenant, subject=f"{KEY_SUBJECT}{key.sha256[:16]}", scopes=frozenset(key.scopes)
            )
            for key in settings.api_keys
        }
        self.peppers = tuple(pepper.get_secret_value() for pepper in settings.api_key_peppers)
        self._cache_seconds = settings.api_key_cache_seconds
        self._records: ExpiringCache[KeyRecord | None] = ExpiringCache(REMEMBERED)

    async def check(self, scope: Scope, credential: str) -> Caller:
        """Whose key it is. Raises `Unauthenticated` or `CredentialStoreUnavailable`."""
        if len(credential) > MAX_KEY_CHARS:
            raise Unauthenticated("unknown_api_key")
        if self._static:
            digest = hashlib.sha256(credential.encode("utf-8", "replace")).hexdigest()
            caller = self._static.get(digest)
            if caller is not None:
                return caller
        if not credential.startswith(api_key.PREFIX):
            raise Unauthenticated("unknown_api_key")
        identity = api_key.read_id(credential)
        if identity is None:
            raise Unauthenticated("api_key_malformed")
        store = scope.ports.key_value
        if not self.peppers or store is None:
            raise Unauthenticated("unknown_api_key")
        record = await self._record(scope, store, identity)
        if record is None or not api_key.matches(credential, record.hash, self.peppers, record.rights):
            raise Unauthenticated("unknown_api_key")
        state = record.state(scope.clock.now_ns() / 1e9)
        if state != "active":
            raise Unauthenticated(f"api_key_{state}")
        return Caller(
            tenant=record.tenant, subject=f"{KEY_SUBJECT}{identity}", scopes=frozenset(record.scopes)
        )

    def store(self, scope: Scope, store: KeyValue) -> KeyStore:
        """The keys in this request's KV, to change them."""
        return KeyStore(store, self.peppers, scope.ports.entropy.random_bytes)

    def changed(self, record: KeyRecord) -> None:
        """Forget what this isolate remembers of a key; others do when its time is up."""
        self._records.forget(record.id)

    async def _record(self, scope: Scope, store: KeyValue, identity: str) -> KeyRecord | None:
        now_s = scope.clock.now_ns() / 1e9
        found = self._records.get(identity, now_s)
        if found is not None:
            return found[0]
        try:
            async with scope.ports.timeout(STORE_TIMEOUT_SECONDS):
                record = await self.store(scope, store).find(identity)
        except Exception:  # whatever the store throws, or what lies in it; never a 500
            raise CredentialStoreUnavailable from None
        self._records.put(identity, record, now_s + self._cache_seconds)
        return record
