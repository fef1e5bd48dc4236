"""The one HTTP client that `fetch`, `post` and the load generator share: pooled, HTTP/1.1, no redirects.

It is aiohttp's, whose parser is in C: docs/decisions/2026-11-21-embedded-http.md.
"""

from __future__ import annotations

import functools
import os
import ssl
import urllib.request
from collections.abc import Mapping
from typing import Self

import aiohttp
import certifi
from yarl import URL

from lumigate import __version__

KEEPALIVE_SECONDS = 30.0
MAX_HEADER_BYTES = 64 * 1024
"""Of one line of an answer's head: aiohttp's own 8 KiB are fewer than some providers' cookies and policies take."""

_NO_LIMITS = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
_HERE = frozenset({"127.0.0.1", "localhost", "::1"})

FAILURES: tuple[type[Exception], ...] = (aiohttp.ClientError, OSError, ValueError, EOFError)
"""What a request or the reading of its answer raises where there is no answer; `ValueError` is for impossible URLs."""


class HttpClient:
    """Sends requests without time limits of its own: each caller brings them. Close it at the end.

    It honours the proxy settings of the environment, except towards this machine, where the mocks are.
    """

    def __init__(self, trust: ssl.SSLContext | None = None) -> None:
        """`trust` replaces the certificates that are trusted."""
        self._trust = trust
        self._session: aiohttp.ClientSession | None = None
        self._proxies = {
            scheme: URL(proxy)
            for scheme, proxy in urllib.request.getproxies().items()
            if scheme in ("http", "https")
        }

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> aiohttp.ClientResponse:
        """The answer once its headers are there. Raises one of `FAILURES`."""
        if self._session is None:
            self._session = self._open()
        # What the caller has encoded stays as it is.
        address = URL(url, encoded=True)
        proxy = self._proxy_for(address) if self._proxies else None
        return await self._session.request(
            method, address, headers=headers, data=body, proxy=proxy, allow_redirects=False
        )

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _open(self) -> aiohttp.ClientSession:
        """Inside the event loop that it will run on."""
        connector = aiohttp.TCPConnector(
            limit=0, limit_per_host=0, keepalive_timeout=KEEPALIVE_SECONDS, ssl=self._trust or _usual_trust()
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"accept-encoding": "gzip", "user-agent": f"lumigate/{__version__}"},
            timeout=_NO_LIMITS,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    def _proxy_for(self, url: URL) -> URL | None:
        host = url.host or ""
        proxy = self._proxies.get(url.scheme)
        return None if proxy is None or host in _HERE or _is_exempt(host) else proxy


@functools.lru_cache(maxsize=256)
def _is_exempt(host: str) -> bool:
    """Whether `NO_PROXY` names the host; reading the environment takes longer than the request."""
    return bool(urllib.request.proxy_bypass(host))


@functools.cache
def _usual_trust() -> ssl.SSLContext:
    """The certificates that are trusted, with `SSL_CERT_FILE` and `SSL_CERT_DIR` honoured.

    Mozilla's list elsewhere, since not every Python finds the system's. Reading it takes 15 ms, so it is done once.
    """
    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())


def header_dict(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The headers by their names in lower case, repeated ones joined by ", "."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.raw_headers:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def describe(error: Exception) -> str:
    """The kind of error and its words, where they cannot hold the URL (which may carry a key)."""
    if isinstance(error, aiohttp.InvalidURL | aiohttp.ClientResponseError | ValueError) or not str(error):
        return type(error).__name__
    return f"{type(error).__name__}: {error}"
