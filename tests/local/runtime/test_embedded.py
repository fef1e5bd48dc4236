from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.runtime.embedded import ISSUER_KEY_NAME, EmbeddedRuntime
from local.runtime.in_thread import run_in_thread
from tests.local.stubs import StubGateway, until


async def test_everything_is_up_and_knows_each_other(client: httpx.AsyncClient) -> None:
    async with EmbeddedRuntime(gateway_factory=StubGateway.factory()) as runtime:
        assert (await client.get(f"{runtime.url}/x")).json()["path"] == "/x"
        assert (await client.get(runtime.settings["JWKS_URL"])).json()["keys"][0][
            "kid"
        ] == runtime.issuer.key.kid
        assert (await client.get(f"{runtime.settings['OPENAI_BASE_URL']}/models")).status_code == 200
        assert runtime.ports.key_value is not None
        await runtime.ports.key_value.put("a", b"1", ttl_seconds=60)


async def test_settings_override_the_defaults_and_none_takes_one_away() -> None:
    settings: dict[str, Any] = {"JWT_ISSUER": "https://mine.example/", "OPENAI_API_KEY": None, "NEW": "1"}
    async with EmbeddedRuntime(settings, gateway_factory=StubGateway.factory()) as runtime:
        assert runtime.settings["JWT_ISSUER"] == runtime.issuer.issuer == "https://mine.example/"
        assert "OPENAI_API_KEY" not in runtime.settings
        assert runtime.settings["NEW"] == "1"
        assert runtime.settings["OTEL_SERVICE_NAME"] == "lumigate", "as in wrangler.toml"
        assert "gpt-5" in json.loads(runtime.settings["MODELS"])


async def test_it_flushes_at_the_end_and_runs_the_cron(tmp_path: Path) -> None:
    runtime = EmbeddedRuntime(gateway_factory=StubGateway.factory(), cron_seconds=0.02)
    async with runtime:
        gateway = runtime.gateway
        assert isinstance(gateway, StubGateway)
        await until(lambda: gateway.cron_runs >= 2)
        assert gateway.flushes == 0
    assert gateway.flushes == 1


async def test_data_are_kept_in_the_folder_and_nowhere_else_without_one(tmp_path: Path) -> None:
    kids = []
    for _ in range(2):
        async with EmbeddedRuntime(data=tmp_path / "d", gateway_factory=StubGateway.factory()) as runtime:
            kids.append(runtime.issuer.key.kid)
    assert kids[0] == kids[1]
    assert (tmp_path / "d" / ISSUER_KEY_NAME).exists()


async def test_a_taken_port_is_an_os_error_and_nothing_is_left_running(client: httpx.AsyncClient) -> None:
    async with EmbeddedRuntime(gateway_factory=StubGateway.factory()) as first:
        port = httpx.URL(first.url).port
        assert port is not None
        second = EmbeddedRuntime(port=port, gateway_factory=StubGateway.factory())
        with pytest.raises(OSError, match="in use"):
            await second.__aenter__()
        assert (await client.get(first.url)).status_code == 200


async def test_a_gateway_that_cannot_be_built_stops_everything() -> None:
    def refuse(*_: object) -> StubGateway:
        raise ValueError("JWT_ISSUER is missing")

    runtime = EmbeddedRuntime(gateway_factory=refuse)
    with pytest.raises(ValueError, match="JWT_ISSUER"):
        await runtime.__aenter__()


def test_it_runs_beside_synchronous_code() -> None:
    with run_in_thread(EmbeddedRuntime(gateway_factory=StubGateway.factory())) as running:
        assert httpx.get(f"{running.url}/a").json()["path"] == "/a"
        key_value = running.runtime.ports.key_value
        assert key_value is not None
        running.call(key_value.put("a", b"1", ttl_seconds=60))
        assert running.call(key_value.get("a")) == b"1"
    with pytest.raises(httpx.ConnectError):
        httpx.get(running.url)


def test_a_failure_to_start_in_a_thread_reaches_the_caller() -> None:
    def refuse(*_: object) -> StubGateway:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), run_in_thread(EmbeddedRuntime(gateway_factory=refuse)):
        raise AssertionError("it must not start")
