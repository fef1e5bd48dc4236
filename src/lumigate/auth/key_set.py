"""An issuer's public keys, kept in the isolate (RFC 7517).

What outlives a request is plain data: imported keys, and instants that say who is fetching until when. A request that
needs a key while another fetches the set looks again on a timer of its own, because on Workers it must not wait for the
other's I/O; if the other dies, its time runs out and the next one fetches. A set older than `FRESH_SECONDS` still
serves, for so long as settings allow, while one request refreshes it in the background.

An unknown key id makes one refetch, because issuers rotate; so that junk tokens cannot hammer the issuer, an id that
was not found is remembered for `UNKNOWN_KEY_SECONDS`, and refetches are rationed: `REFETCH_BURST` at once, then one
every `REFETCH_SECONDS`. A set that could not be had is asked for again after `COLD_WAIT_SECONDS` where there are no
keys at all, else with the ration. A broken answer leaves the old keys in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, set_span_in_context

from lumigate.auth.expiring import ExpiringCache
from lumigate.auth.key_document import MAX_BYTES, KeySetError, PublishedKey, read_key_set
from lumigate.errors import KeysUnavailable, Unauthenticated
from lumigate.ports import FetchError, VerifyKey
from lumigate.scope import Scope, fail_span
from lumigate.telemetry import Span

FRESH_SECONDS = 60.0
REFRESH_RETRY_SECONDS = 10.0
UNKNOWN_KEY_SECONDS = 60.0
UNKNOWN_KEYS_REMEMBERED = 500
REFETCH_BURST = 5
REFETCH_SECONDS = 10.0
COLD_WAIT_SECONDS = 1.0
FETCH_TIMEOUT_SECONDS = 5.0
FETCH_LEASE_SECONDS = 6.0
POLL_SECONDS = 0.02


class KeySet:
    """The keys at one URL, for the algorithms that settings allow."""

    def __init__(self, url: str, algorithms: Collection[str], *, max_stale_seconds: float = 86_400) -> None:
        self._url = url
        self._algorithms = tuple(algorithms)
        self._max_stale_seconds = max_stale_seconds
        self._keys: dict[tuple[str, str], VerifyKey] = {}
        self._unknown: ExpiringCache[None] = ExpiringCache(UNKNOWN_KEYS_REMEMBERED)
        self._fetched_s = float("-inf")
        self._tried_s = float("-inf")
        self._fetching_until_s = 0.0
        self._refetches = float(REFETCH_BURST)
        self._rationed_s = float("-inf")

    async def key(
        self, scope: Scope, key_id: str, algorithm: str, parent: Span, *, worth_a_fetch: bool = True
    ) -> VerifyKey:
        """The key of that id. Raises `Unauthenticated` (unknown_key) or `KeysUnavailable`.

        Without `worth_a_fetch` an issuer whose keys are here is not asked for others: the token cannot be good,
        whatever its key says.
        """
        key = self._known(scope, key_id, algorithm)
        if key is not None:
            self._refresh_if_stale(scope)
            return key
        if self._unknown.get(_name(key_id, algorithm), _now_s(scope)) is None and (
            worth_a_fetch or not self._keys
        ):
            key = await self._look_again(scope, key_id, algorithm, parent)
            if key is not None:
                return key
        raise Unauthenticated("unknown_key") if self._keys else KeysUnavailable

    def _known(self, scope: Scope, key_id: str, algorithm: str) -> VerifyKey | None:
        if _now_s(scope) - self._fetched_s > self._max_stale_seconds and self._keys:
            self._keys = {}  # nobody can say any more which of them were withdrawn
        return self._keys.get((key_id, algorithm))

    async def _look_again(self, scope: Scope, key_id: str, algorithm: str, parent: Span) -> VerifyKey | None:
        while _now_s(scope) < self._fetching_until_s:
            await scope.clock.sleep(POLL_SECONDS)
        key = self._keys.get((key_id, algorithm))
        if key is None and self._may_fetch(_now_s(scope)):
            # A failure is counted in `_fetch`; what it means for the caller is told by the keys there are.
            with suppress(KeySetError):
                await self._fetch(scope, set_span_in_context(parent))
                key = self._keys.get((key_id, algorithm))
                if key is None:
                    # Only what was looked for is remembered: one whom the ration turned away may come again.
                    self._unknown.put(_name(key_id, algorithm), None, _now_s(scope) + UNKNOWN_KEY_SECONDS)
        return key

    def _may_fetch(self, now_s: float) -> bool:
        if not self._keys:
            return now_s - self._tried_s >= COLD_WAIT_SECONDS
        refilled = self._refetches + (now_s - self._rationed_s) / REFETCH_SECONDS
        self._rationed_s = now_s
        self._refetches = min(refilled, float(REFETCH_BURST))
        if self._refetches < 1:
            return False
        self._refetches -= 1
        return True

    def _refresh_if_stale(self, scope: Scope) -> None:
        now_s = _now_s(scope)
        if (
            now_s - self._fetched_s > FRESH_SECONDS
            and now_s >= self._fetching_until_s
            and now_s - self._tried_s >= REFRESH_RETRY_SECONDS
        ):
            self._fetching_until_s = now_s + FETCH_LEASE_SECONDS
            scope.background(self._refresh, scope)

    async def _refresh(self, scope: Scope) -> None:
        """Outlives its request, so it is a trace of its own."""
        with suppress(KeySetError):
            await self._fetch(scope, Context())

    async def _fetch(self, scope: Scope, context: Context) -> None:
        tried_before_s, self._tried_s = self._tried_s, _now_s(scope)
        self._fetching_until_s = self._tried_s + FETCH_LEASE_SECONDS
        span = scope.tracer.start_span("auth.keys.fetch", kind=SpanKind.CLIENT, context=context)
        result = ""  # stays so when the fetch is cut off: that says nothing about the issuer
        try:
            body = await self._download(scope)
            keys = await self._import(scope, read_key_set(body, self._algorithms))
        except KeySetError as error:
            result = error.result
            fail_span(span, error)
            raise
        except asyncio.CancelledError:
            self._tried_s = tried_before_s  # whoever comes next need not wait for a client that left
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

    async def _download(self, scope: Scope) -> bytes:
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
            raise KeySetError("too_large")
        return body

    async def _import(self, scope: Scope, published: list[PublishedKey]) -> dict[tuple[str, str], VerifyKey]:
        """Those that are the keys they say they are."""
        keys: dict[tuple[str, str], VerifyKey] = {}
        for entry in published:
            with suppress(ValueError):
                keys[entry.key_id, entry.algorithm] = await scope.ports.crypto.import_key(
                    entry.jwk, entry.algorithm
                )
        if not keys:
            raise KeySetError("no_usable_key")
        return keys


def _name(key_id: str, algorithm: str) -> str:
    """A key that is there, but for another algorithm, is as unknown as any."""
    return f"{algorithm} {key_id}"


def _now_s(scope: Scope) -> float:
    return scope.clock.now_ns() / 1e9
