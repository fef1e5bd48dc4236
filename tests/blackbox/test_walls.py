"""The wall of an address: junk meets it before it is looked at, by the platform's word for whose it is.

Its windows are those of the clock on the wall, so one may end in the middle of a test: then as many pass again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import httpx

from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import run_in_thread
from tests.blackbox.conftest import PATIENCE
from tests.pyodide.production import declared_bindings, production_host

LIMIT = 5
ENOUGH = 2 * LIMIT + 2
"""More than two windows let through."""


def statuses(client: httpx.Client, headers: Iterable[Mapping[str, str]]) -> list[int]:
    return [
        client.get("/v1/models", headers={"authorization": "Bearer junk", **each}).status_code
        for each in headers
    ]


def assert_meets_the_wall(client: httpx.Client, headers: Mapping[str, str]) -> None:
    """And the wall keeps nobody out who has nothing to do with it."""
    found = statuses(client, [headers] * ENOUGH)
    assert found[:LIMIT] == [401] * LIMIT
    assert set(found) == {401, 429}
    assert client.get("/health", headers=headers).status_code == 200


def test_junk_from_one_address_meets_the_wall_before_it_is_looked_at() -> None:
    runtime = EmbeddedRuntime({}, address_limit=LIMIT)
    with run_in_thread(runtime), httpx.Client(base_url=runtime.url, timeout=PATIENCE) as client:
        assert_meets_the_wall(client, {})
        forged = [{"x-forwarded-for": f"198.51.100.{number}"} for number in range(ENOUGH)]
        assert 429 in statuses(client, forged), "an address that the caller invents is none"


def test_on_workers_the_address_is_what_cloudflare_says() -> None:
    bindings = declared_bindings()
    for binding in bindings["ratelimits"]:
        if binding["name"] == "RATE_LIMIT_ADDRESS":
            binding["simple"] = {"limit": LIMIT, "period": 60}
    variables = {"JWT_ISSUER": "https://issuer.example"}
    with (
        production_host(variables, bindings=bindings) as host,
        httpx.Client(base_url=host.url, timeout=PATIENCE) as client,
    ):
        assert_meets_the_wall(client, {"cf-connecting-ip": "203.0.113.9"})
