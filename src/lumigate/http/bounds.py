"""How long an address may be, and how many and how large the headers of a request.

Cloudflare has bounds of its own, far above what anyone needs (16 KB and 128 KB); these hold on every runtime and are
told in the usual shape. What telemetry gets of a request's head is cut here, too.
"""

from __future__ import annotations

from lumigate.errors import CallerError
from lumigate.http.settings import HttpSettings
from lumigate.http.types import Request

SHOWN_PATH_CHARS = 512
SHOWN_HEADER_CHARS = 256
SHOWN_METHOD_CHARS = 32
_PER_HEADER_BYTES = 4
"""The colon, the blank and the end of the line."""


class UrlTooLong(CallerError):
    """Path and query together."""

    status = 414
    code = "url_too_long"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The address is longer than {limit_bytes} bytes.")


class HeadersTooLarge(CallerError):
    """Too many, or too long together."""

    status = 431
    code = "headers_too_large"

    def __init__(self, problem: str) -> None:
        super().__init__(f"The request's headers are too many or too large: {problem}.")


def check_head(request: Request, settings: HttpSettings) -> None:
    """Raises `UrlTooLong` or `HeadersTooLarge`. Characters count as bytes: heads are ASCII, or Latin-1 at most."""
    if len(request.path) + len(request.query) + 1 > settings.max_url_bytes:
        raise UrlTooLong(settings.max_url_bytes)
    headers = request.headers
    if len(headers) > settings.max_headers:
        raise HeadersTooLarge(f"at most {settings.max_headers} may be sent")
    size = sum(map(len, headers)) + sum(map(len, headers.values())) + _PER_HEADER_BYTES * len(headers)
    if size > settings.max_header_bytes:
        raise HeadersTooLarge(f"all together may take {settings.max_header_bytes} bytes")
