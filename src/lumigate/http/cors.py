"""Browsers of other origins (CORS), by setting; off unless origins are named.

https://fetch.spec.whatwg.org/#http-cors-protocol. A preflight carries no credentials, so it is answered before anyone
is asked who they are. An origin that is not named gets its answer without the headers, and its browser keeps it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lumigate.errors import CallerError
from lumigate.http.settings import ANY_ORIGIN, HttpSettings
from lumigate.http.types import Request, Response

_ALLOWED_HEADERS = (
    "authorization",
    "content-type",
    "x-api-key",
    "cache-control",
    "idempotency-key",
    "x-conversation-id",
    "traceparent",
    "tracestate",
    "baggage",
    "anthropic-version",
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
)
_ALLOWED_PREFIXES = ("x-lumigate-", "x-stainless-", "openai-")
"""Of our own headers, and of those that the official clients send from a browser."""
_TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}")
_MAX_ASKED = 50

_EXPOSED = (
    "x-request-id",
    "request-id",
    "traceresponse",
    "x-lumigate-cache",
    "x-lumigate-cache-key",
    "x-lumigate-provider",
    "x-lumigate-attempts",
    "age",
    "location",
    "retry-after",
    "x-should-retry",
    "ratelimit",
    "ratelimit-policy",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
)


class OriginRefused(CallerError):
    """A preflight of an origin that is not named."""

    status = 403
    type = "permission_error"
    code = "origin_refused"

    def __init__(self) -> None:
        super().__init__("Pages of this origin may not call this gateway; see the setting CORS_ORIGINS.")


class Cors:
    """Who may read answers in a browser. One an isolate."""

    def __init__(self, settings: HttpSettings) -> None:
        self._origins = frozenset(settings.cors_origins)
        self._any = ANY_ORIGIN in self._origins
        self._credentials = settings.cors_credentials
        self._max_age_seconds = settings.cors_max_age_seconds

    def is_preflight(self, request: Request) -> bool:
        """Whether a browser asks what it may send; never while CORS is off."""
        headers = request.headers
        return (
            bool(self._origins)
            and request.method == "OPTIONS"
            and "origin" in headers
            and "access-control-request-method" in headers
        )

    def preflight(self, request: Request, methods: Iterable[str]) -> Response:
        """What may be sent to a route of these methods. Raises `OriginRefused`."""
        if not self._permits(request.headers.get("origin")):
            raise OriginRefused
        asked = request.headers.get("access-control-request-headers", "").lower().split(",")[:_MAX_ASKED]
        ours = {name for name in map(str.strip, asked) if name.startswith(_ALLOWED_PREFIXES)}
        allowed = (*_ALLOWED_HEADERS, *sorted(name for name in ours if _TOKEN.fullmatch(name)))
        headers = {
            "access-control-allow-methods": ", ".join(methods),
            "access-control-allow-headers": ", ".join(allowed),
            "access-control-max-age": str(self._max_age_seconds),
            "vary": "access-control-request-headers",
        }
        return Response(status=204, headers=headers)

    def add(self, request: Request, headers: dict[str, str]) -> None:
        """The headers of an answer, in place. Only what does not hang on the origin may be kept for all of them."""
        if not self._origins:
            return
        if not self._any:
            headers["vary"] = f"{headers['vary']}, origin" if headers.get("vary") else "origin"
        origin = request.headers.get("origin")
        if origin is None or not self._permits(origin):
            return
        headers["access-control-allow-origin"] = ANY_ORIGIN if self._any else origin
        headers["access-control-expose-headers"] = ", ".join(_EXPOSED)
        if self._credentials:
            headers["access-control-allow-credentials"] = "true"
        # An answer for other origins must be readable there, in embedders that isolate themselves too.
        headers["cross-origin-resource-policy"] = "cross-origin"

    def _permits(self, origin: str | None) -> bool:
        return self._any or origin in self._origins
