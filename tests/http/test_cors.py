"""Pages of other origins: off, for some, for all; and never everyone with credentials."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.errors import ConfigurationError
from lumigate.http.types import Response
from tests.fakes import WITH_KEY, error_of, make_gateway, raised_by
from tests.fakes.settings import make_settings

APP = "https://app.example"
ASKING = {"origin": APP, "access-control-request-method": "POST"}


async def preflight(origins: str | None, path: str = "/v1/chat/completions", **headers: str) -> Response:
    under_test = make_gateway(CORS_ORIGINS=origins)
    asked = {**ASKING, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await under_test.send("OPTIONS", path, headers=asked, body=b"")


def cors_headers(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


async def test_it_is_off_unless_origins_are_named() -> None:
    response = await preflight(None)
    assert (response.status, cors_headers(response)) == (405, {})
    answer = await make_gateway().send("GET", "/health", headers={"origin": APP})
    assert cors_headers(answer) == {}
    assert "vary" not in answer.headers


async def test_a_preflight_is_answered_without_credentials() -> None:
    response = await preflight(f"https://other.example, {APP}")
    assert response.status == 204
    assert response.body == b""
    headers = response.headers
    assert headers["access-control-allow-origin"] == APP
    assert headers["access-control-allow-methods"] == "POST"
    assert {"authorization", "content-type", "x-api-key"} <= set(
        headers["access-control-allow-headers"].split(", ")
    )
    assert headers["access-control-max-age"] == "600"
    assert "origin" in headers["vary"]
    assert "access-control-allow-credentials" not in headers


async def test_a_preflight_is_a_request_like_any_other_to_telemetry() -> None:
    under_test = make_gateway(CORS_ORIGINS=APP)
    response = await under_test.send("OPTIONS", "/v1/models", headers=ASKING, body=b"")
    assert response.headers["x-request-id"] == under_test.events[0]["request_id"]
    (event,) = under_test.events
    assert (event["method"], event["route"], event["status"], event["outcome"]) == (
        "OPTIONS",
        "/v1/models",
        204,
        "complete",
    )
    counted = {"http__request__method": "OPTIONS", "http__response__status_code": 204}
    assert under_test.observed.total("http.server.request.duration", **counted) == 1


async def test_headers_of_ours_and_of_the_official_clients_may_be_sent() -> None:
    asked = "x-lumigate-cache-ttl, X-Stainless-Lang, x-evil, x-lumigate-<script>"
    response = await preflight(APP, access_control_request_headers=asked)
    allowed = response.headers["access-control-allow-headers"].split(", ")
    assert {"x-lumigate-cache-ttl", "x-stainless-lang"} <= set(allowed)
    assert not any("evil" in name or "script" in name for name in allowed)


async def test_another_origin_is_refused_and_learns_nothing() -> None:
    response = await preflight(APP, origin="https://evil.example")
    assert (response.status, error_of(response)["code"]) == (403, "origin_refused")
    assert cors_headers(response) == {}


async def test_a_preflight_to_nowhere_is_not_found() -> None:
    assert (await preflight(APP, "/nowhere")).status == 404


async def test_answers_and_errors_can_be_read_by_a_named_origin_only() -> None:
    under_test = make_gateway(CORS_ORIGINS=APP)
    for origin, allowed in ((APP, APP), ("https://app.example.evil.example", None), ("null", None)):
        for headers, status in ((WITH_KEY, 200), ({}, 401)):
            answer = await under_test.send("GET", "/v1/models", headers={**headers, "origin": origin})
            assert answer.status == status
            assert answer.headers.get("access-control-allow-origin") == allowed
            assert answer.headers["vary"] == "origin"
            exposed = answer.headers.get("access-control-expose-headers", "")
            assert ("x-request-id" in exposed) == (allowed is not None)


async def test_everyone_is_a_star_and_never_an_echo() -> None:
    answer = await make_gateway(CORS_ORIGINS="*").send("GET", "/health", headers={"origin": APP})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "vary" not in answer.headers


async def test_credentials_are_a_setting_for_named_origins() -> None:
    under_test = make_gateway(CORS_ORIGINS=APP, CORS_CREDENTIALS="true")
    answer = await under_test.send("GET", "/health", headers={"origin": APP})
    assert answer.headers["access-control-allow-credentials"] == "true"


def test_everyone_with_credentials_stops_the_start() -> None:
    error = raised_by(ConfigurationError, lambda: make_settings(CORS_ORIGINS="*", CORS_CREDENTIALS="true"))
    assert str(error).startswith("CORS_CREDENTIALS")


@given(origin=st.text(max_size=60).filter(lambda text: text != APP))
async def test_no_other_origin_is_ever_allowed(origin: str) -> None:
    under_test = make_gateway(CORS_ORIGINS=APP)
    answer = await under_test.send("GET", "/health", headers={"origin": origin})
    assert cors_headers(answer) == {}


@pytest.mark.parametrize("origin", [APP, "http://localhost:5173", "capacitor://localhost", "http://[::1]:80"])
def test_origins_of_every_kind_can_be_named(origin: str) -> None:
    assert make_settings(CORS_ORIGINS=origin).http.cors_origins == (origin,)
