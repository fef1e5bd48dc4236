"""GET /metrics: what the counter shards hold, as Prometheus text or OpenMetrics, behind a token of its own.

The shards are asked side by side. One that does not answer is left out: its series go stale for a scrape, and no other
shard's do. With none that answers there is nothing to tell, and the scrape fails.
"""

from __future__ import annotations

import asyncio
import hmac
import zlib

from lumigate.errors import ShardsUnavailable, Unauthenticated, UnknownRoute
from lumigate.exposition import Format, exposition, negotiate
from lumigate.http.types import Response
from lumigate.metrics_settings import MetricsSettings
from lumigate.scope import Scope
from lumigate.shard import shard_names

_GZIP_WBITS = 31
_GZIP_LEVEL = 1
"""A scrape of thousands of series is megabytes of repetitive text, which the fastest level makes small enough."""
_SCHEME = "bearer "


class Metrics:
    """The handler. Without a token configured there is no such route."""

    def __init__(self, settings: MetricsSettings) -> None:
        self._token = settings.token.get_secret_value().encode() if settings.token else b""
        self._shards = shard_names(settings.shards, settings.shards_before)

    async def __call__(self, scope: Scope) -> Response:
        self._admit(scope.headers.get("authorization", ""))
        form = negotiate(scope.headers.get("accept"))
        answers = await asyncio.gather(*(self._ask(scope, name, form) for name in self._shards))
        fragments = [answer for answer in answers if answer is not None]
        if not fragments:
            raise ShardsUnavailable
        body = exposition(fragments, form).encode("utf-8", "replace")
        headers = {
            "content-type": form.content_type,
            "cache-control": "no-store",
            "vary": "accept, accept-encoding",
        }
        if _accepts_gzip(scope.headers.get("accept-encoding", "")):
            body = zlib.compress(body, _GZIP_LEVEL, _GZIP_WBITS)
            headers["content-encoding"] = "gzip"
        return Response(status=200, headers=headers, body=body)

    def _admit(self, authorization: str) -> None:
        if not self._token:
            raise UnknownRoute
        credential = (
            authorization[len(_SCHEME) :].strip() if authorization[: len(_SCHEME)].lower() == _SCHEME else ""
        )
        if not credential:
            raise Unauthenticated("missing")
        if not hmac.compare_digest(credential.encode("utf-8", "replace"), self._token):
            raise Unauthenticated("unknown_api_key")

    async def _ask(self, scope: Scope, name: str, form: Format) -> str | None:
        shard = scope.ports.shard(name)
        if shard is None:
            return None
        try:
            return await shard.scrape(
                {"open_metrics": form.open_metrics, "utf8": form.utf8, "version": form.version}
            )
        except Exception as error:  # whatever the RPC throws; the span says which shard
            scope.span.add_event(
                "shard_unavailable", {"lumigate.shard": name, "error.type": type(error).__qualname__}
            )
            return None


def _accepts_gzip(header: str) -> bool:
    """RFC 9110, section 12.5.3: named, and not at quality 0."""
    for entry in header.lower().split(","):
        name, _, quality = (part.strip() for part in entry.partition(";"))
        if name == "gzip":
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
