"""What every answer says to browsers and to what lies between: it is data, it is private, it is no page.

An answer may hold code or HTML that a model wrote or a caller sent. It goes out as JSON, as events or as plain text,
may not be guessed to be anything else (`nosniff`), and runs nothing if it is opened as a document all the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from lumigate.http.settings import HttpSettings

DATA_TYPES = frozenset(
    {"application/json", "text/event-stream", "text/plain", "application/openmetrics-text"}
)
"""What answers may be: nothing that a browser renders."""

_OPAQUE = "application/octet-stream"

BASE_HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class SecurityHeaders:
    """Adds them to an answer. One an isolate."""

    def __init__(self, settings: HttpSettings) -> None:
        self._always = dict(BASE_HEADERS)
        if settings.hsts_max_age_seconds:
            self._always["strict-transport-security"] = (
                f"max-age={settings.hsts_max_age_seconds}; includeSubDomains"
            )

    def add(self, headers: dict[str, str]) -> None:
        """In place. Nobody on the way keeps the answer, unless its route says otherwise; what is no data is opaque."""
        headers.update(self._always)
        content_type = headers.get("content-type")
        if content_type is not None and content_type.partition(";")[0].strip().lower() not in DATA_TYPES:
            headers["content-type"] = _OPAQUE
        headers.setdefault("cache-control", "no-store")
