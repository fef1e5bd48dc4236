"""Every answer is data, private, and no page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumigate.errors import ConfigurationError
from lumigate.http.security import DATA_TYPES, SecurityHeaders
from lumigate.http.settings import HttpSettings
from tests.fakes import WITH_KEY, error_of, make_gateway, raised_by
from tests.fakes.settings import make_settings

PAGE = "<script>alert(1)</script>"


async def answers(method: str, path: str, body: Any = None, **headers: str) -> dict[str, str]:
    under_test = make_gateway()
    response = await under_test.send(method, path, headers={**WITH_KEY, **headers}, body=body or {})
    return response.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("GET", "/v1/models"),
        ("GET", "/v1/usage"),
        ("GET", "/metrics"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/messages"),
        ("POST", "/v1/embeddings"),
        ("POST", "/sessions"),
        ("GET", "/nowhere"),
        ("DELETE", "/health"),
        ("GET", f"/{PAGE}"),
        ("BREW", "/health"),
    ],
)
async def test_every_answer_is_private_data_that_no_browser_renders(method: str, path: str) -> None:
    headers = await answers(method, path)
    assert headers["content-type"].partition(";")[0] in DATA_TYPES
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers


async def test_an_error_that_quotes_the_request_quotes_it_as_json() -> None:
    under_test = make_gateway()
    response = await under_test.send(body={"model": PAGE, "messages": [{"role": "user", "content": "x"}]})
    assert response.headers["content-type"] == "application/json"
    assert PAGE in error_of(response)["message"]


async def test_strict_transport_security_is_a_setting() -> None:
    response = await make_gateway(HSTS_MAX_AGE_SECONDS="31536000").send("GET", "/health")
    assert response.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize("content_type", ["text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml", "", "x"])
def test_what_is_no_data_goes_out_opaque(content_type: str) -> None:
    headers = {"content-type": content_type}
    SecurityHeaders(HttpSettings()).add(headers)
    assert headers["content-type"] == "application/octet-stream"


def test_a_route_may_say_how_long_its_answer_is_kept() -> None:
    headers = {"cache-control": "max-age=60"}
    SecurityHeaders(HttpSettings()).add(headers)
    assert headers["cache-control"] == "max-age=60"


async def test_a_url_beyond_the_bound_is_414() -> None:
    under_test = make_gateway(MAX_URL_BYTES="256")
    response = await under_test.send("GET", "/health" + "x" * 256)
    assert (response.status, error_of(response)["code"]) == (414, "url_too_long")


@pytest.mark.parametrize(
    "headers", [{"x-long": "x" * 1024}, {f"x-{n}": "" for n in range(200)}], ids=["large", "many"]
)
async def test_headers_beyond_the_bounds_are_431_and_counted(headers: dict[str, str]) -> None:
    under_test = make_gateway(MAX_HEADER_BYTES="1024", MAX_HEADERS="100")
    response = await under_test.send("GET", "/health", headers=headers)
    assert (response.status, error_of(response)["code"]) == (431, "headers_too_large")
    counted = {"lumigate__outcome": "refused", "http__route": "/health"}
    assert under_test.observed.total("lumigate.request.outcomes", **counted) == 1


@settings(max_examples=50)
@given(agent=st.text(min_size=0, max_size=2000), path=st.text(alphabet="abc/%", max_size=3000))
async def test_what_telemetry_gets_of_a_head_is_cut(agent: str, path: str) -> None:
    under_test = make_gateway()
    await under_test.send("X" * 300, f"/{path}", headers={"user-agent": agent})
    (span,) = under_test.observed.spans
    assert len(str(span.attributes.get("user_agent.original", ""))) <= 256
    assert len(str(span.attributes["url.path"])) <= 512
    assert len(str(span.attributes["http.request.method_original"])) <= 32


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_URL_BYTES", "1"),
        ("MAX_HEADER_BYTES", str(10**9)),
        ("MAX_HEADERS", "no"),
        ("CORS_ORIGINS", "https://a.example/path"),
        ("CORS_ORIGINS", "a.example"),
        ("CORS_ORIGINS", "null"),
        ("CORS_ORIGINS", "*, https://a.example"),
        ("HSTS_MAX_AGE_SECONDS", "-1"),
        ("OUTBOUND_TRUSTED_HOSTS", "http://models.internal"),
        ("OUTBOUND_TRUSTED_HOSTS", "models.internal:8000"),
        ("OUTBOUND_TRUSTED_HOSTS", "models.internal vllm"),
    ],
)
def test_a_malformed_setting_is_named(name: str, value: str) -> None:
    error = raised_by(ConfigurationError, lambda: make_settings(**{name: value}))
    assert error is not None
    assert str(error).startswith(name)
    assert json.dumps(value) not in str(error)
