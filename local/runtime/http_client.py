"""The one HTTP client that `fetch` and `post` share: pooled, HTTP/1.1, no redirects."""

from __future__ import annotations

import functools
import ssl

import httpx

from local.runtime.lanes import LanedTransport


def new_http_client() -> httpx.AsyncClient:
    """A client without time limits of its own: each call brings them.

    It honours the proxy settings of the environment, except towards this machine, where the mocks are.
    """
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=256, keepalive_expiry=30.0)
    trust = _trust()
    one = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=30.0)
    direct = LanedTransport(lambda: httpx.AsyncHTTPTransport(verify=trust, http1=True, limits=one))
    return httpx.AsyncClient(
        http1=True,
        http2=False,
        verify=trust,
        limits=limits,
        follow_redirects=False,
        timeout=None,  # noqa: S113 - see above
        headers={"accept-encoding": "gzip"},
        mounts={"all://127.0.0.1": direct, "all://localhost": direct},
    )


@functools.cache
def _trust() -> ssl.SSLContext:
    """The certificates that are trusted; reading them takes 15 ms, so it is done once."""
    return httpx.create_ssl_context()


def header_dict(response: httpx.Response) -> dict[str, str]:
    """The headers by their names in lower case, repeated ones joined by ", "."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers.raw:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
