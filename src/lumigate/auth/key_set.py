"""An issuer's public keys, kept in the isolate (RFC 7517).

What outlives a request is plain data: imported keys, and instants that say who is fetching until when. A request that
needs a key while another fetches the set looks again on a timer of its own, because on Workers it must not wait for the
other's I/O; if the other dies, its time runs out and the next one fetches. A set older than `FRESH_SECONDS` still
serves while one request refreshes it in the background. An unknown key id makes one refetch, at most every
`UNKNOWN_KEY_WAIT_SECONDS`, and a set that could not be had is asked for again after `COLD_WAIT_SECONDS`, so that junk
tokens cannot hammer the issuer. A broken answer leaves the old keys in force.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, set_span_in_context

from lumigate import strict_json
from lumigate.errors import KeysUnavailable, Unauthenticated
from lumigate.ports import FetchError, VerifyKey
from lumigate.scope import Scope, fail_span
from lumigate.telemetry import Span

FRESH_SECONDS = 60.0
UNKNOWN_KEY_WAIT_SECONDS = 10.0
COLD_WAIT_SECONDS = 1.0
FETCH_TIMEOUT_SECONDS = 5.0
FETCH_LEASE_SECONDS = 6.0
POLL_SECONDS = 0.02
MAX_BYTES = 256 * 1024
MAX_KEYS = 100


class KeySetError(Exception):
    """The key set could not be fetched or read; `result` is the catalog's word for it."""

    def __init__(self, result: str) -> None:
        super().__init__(result)
        self.result = result


class KeySet:
    """The keys at one URL, for one algorithm."""

    def __init__(self, url: str, algorithm: str) -> None:
        self._url = url
        self._algorithm = algorithm
        self._keys: dict[str, VerifyKey] = {}
        self._fetched_s = 0.0
        self._tried_s = float("-inf")
        self._fetching_until_s = 0.0

    async def key(self, scope: Scope, key_id: str, parent: Span) -> VerifyKey:
        """The key of that id. Raises `Unauthenticated` (unknown_key) or `KeysUnavailable`."""
        key = self._keys.get(key_id)
        if key is not None:
            self._refresh_if_stale(scope)
            return key
        while _now_s(scope) < self._fetching_until_s:
            await scope.clock.sleep(POLL_SECONDS)
        if key_id not in self._keys:
            patience_s = UNKNOWN_KEY_WAIT_SECONDS if self._keys else COLD_WAIT_SECONDS
            if _now_s(scope) - self._tried_s >= patience_s:
                # A failure is counted in `_fetch`; what it means for the caller is told by the keys there are.
                with suppress(KeySetError):
                    await self._fetch(scope, set_span_in_context(parent))
        key = self._keys.get(key_id)
        if key is None:
            raise Unauthenticated("unknown_key") if self._keys else KeysUnavailable
        return key

    def _refresh_if_stale(self, scope: Scope) -> None:
        now_s = _now_s(scope)
        if now_s - self._fetched_s > FRESH_SECONDS and now_s >= self._fetching_until_s:
            self._fetching_until_s = now_s + FETCH_LEASE_SECONDS
            scope.ports.background(self._refresh(scope))

    async def _refresh(self, scope: Scope) -> None:
        """Outlives its request, so it is a trace of its own."""
        with suppress(KeySetError):
            await self._fetch(scope, Context())

    async def _fetch(self, scope: Scope, context: Context) -> None:
        self._tried_s = _now_s(scope)
        self._fetching_until_s = self._tried_s + FETCH_LEASE_SECONDS
        span = scope.tracer.start_span("auth.keys.fetch", kind=SpanKind.CLIENT, context=context)
        result = ""  # stays so when the fetch is cut off: that says nothing about the issuer
        try:
            document = await self._download(scope)
            keys = await self._import(scope, document)
        except KeySetError as error:
            result = error.result
            fail_span(span, error)
            raise
        else:
            # One assignment: a request that reads in between sees the old set or the new one.
            self._keys = keys
            self._fetched_s = _now_s(scope)
            result = "ok"
        finally:
            self._fetching_until_s = 0.0
            if result:
                span.set_attribute("lumigate.key_set.result", result)
                scope.instruments.key_set_fetches.add(1, {"lumigate.key_set.result": result})
            span.end()

    async def _download(self, scope: Scope) -> dict[str, Any] | None:
        try:
            response = await scope.ports.fetch(
                "GET",
                self._url,
                headers={"accept": "application/json"},
                timeout_seconds=FETCH_TIMEOUT_SECONDS,
                idle_timeout_seconds=FETCH_TIMEOUT_SECONDS,
            )
            if response.status != 200:
                response.cancel()
                raise KeySetError("bad_status")
            body = await response.read(MAX_BYTES)
        except FetchError as error:
            raise KeySetError(error.reason) from None
        if body is None:
            raise KeySetError("bad_content")
        return strict_json.load_object(body)

    async def _import(self, scope: Scope, document: dict[str, Any] | None) -> dict[str, VerifyKey]:
        """The usable signing keys of a set; others are passed over (RFC 7517, section 5)."""
        entries = document.get("keys") if document else None
        if not isinstance(entries, list):
            raise KeySetError("bad_content")
        keys: dict[str, VerifyKey] = {}
        for jwk in entries[:MAX_KEYS]:
            if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
                continue
            if jwk.get("use", "sig") != "sig" or jwk.get("alg", self._algorithm) != self._algorithm:
                continue
            try:
                keys[jwk["kid"]] = await scope.ports.crypto.import_key(jwk, self._algorithm)
            except ValueError:
                continue
        if not keys:
            raise KeySetError("bad_content")
        return keys


def _now_s(scope: Scope) -> float:
    return scope.clock.now_ns() / 1e9
