"""What callers are answered: headers, refusals, bad bodies."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import (
    CHAT_BODY,
    WITH_KEY,
    FakeRateLimit,
    completion,
    error_of,
    fake_ports,
    json_answer,
    make_gateway,
    whole_body,
)
from tests.gateway.rig import BEARER, nothing_was_misused, with_upstream


async def test_every_answer_carries_its_ids_and_what_became_of_it() -> None:
    rig = with_upstream()
    for method, path, headers, expected in (
        ("POST", "/v1/chat/completions", WITH_KEY, {"x-lumigate-cache": "miss", "x-lumigate-attempts": "1"}),
        (
            "POST",
            "/v1/chat/completions",
            WITH_KEY,
            {"x-lumigate-cache": "hit-l1", "x-lumigate-attempts": "0"},
        ),
        ("POST", "/v1/chat/completions", {}, {"x-lumigate-cache": "bypass", "x-lumigate-attempts": "0"}),
        ("GET", "/nowhere", {}, {"x-lumigate-cache": "bypass"}),
        ("GET", "/health", {}, {"x-lumigate-cache": "bypass"}),
    ):
        response = await rig.send(method, path, headers=headers)
        assert response.headers.items() >= expected.items()
        assert re.fullmatch(r"req_[0-9a-f]{24}", response.headers["x-request-id"])
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]", response.headers["traceresponse"])
        assert ("x-lumigate-provider" in response.headers) is (expected.get("x-lumigate-cache") != "bypass")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/", {}, 404, "unknown_route"),
        ("GET", "/v1/chat/completions", {}, 405, "method_not_allowed"),
        ("POST", "/health", {}, 405, "method_not_allowed"),
        ("GET", "/v1/models", {}, 401, "token_missing"),
        ("GET", "/v1/models", {"authorization": "Bearer sk-unknown"}, 401, "invalid_api_key"),
    ],
)
async def test_a_refusal_has_openais_shape_and_the_trace_id(
    method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    rig = make_gateway()
    response = await rig.send(method, path, headers=headers)
    assert response.status == status
    error = error_of(response)
    assert error["code"] == code
    (event,) = rig.events
    assert event["trace_id"] == error["trace_id"]
    assert (event["status"], event["outcome"], event["error_code"]) == (status, "refused", code)
    nothing_was_misused(rig)


@pytest.mark.parametrize("path", ["/health", "/v1/models"])
async def test_head_is_answered_where_get_is(path: str) -> None:
    assert (await make_gateway().send("HEAD", path)).status == 200


BAD_BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "invalid_json"),
    (b"{", 400, "invalid_json"),
    (b"\xff", 400, "invalid_json"),
    (b"[]", 400, "invalid_request"),
    (b"{}", 400, "invalid_request"),
    (b"[" * 100_000, 400, "invalid_json"),
    (b'{"model":"fast","messages":[' + b"[" * 9000 + b"]" * 9000 + b"]}", 400, "invalid_json"),
    (b'{"model":"nope","messages":[{"role":"user"}]}', 404, "model_not_found"),
    (b'{"model":"\\ud800","messages":[{"role":"user"}]}', 400, "invalid_request"),
    (b'{"model":5,"messages":[{"role":"user"}]}', 400, "invalid_request"),
    (b" " * 2_000_000, 413, "body_too_large"),
]


@pytest.mark.parametrize(("body", "status", "code"), BAD_BODIES, ids=[str(row[0][:30]) for row in BAD_BODIES])
async def test_a_bad_body_is_a_4xx_that_says_what_is_wrong_and_leaves_the_isolate_serving(
    body: bytes, status: int, code: str
) -> None:
    rig = with_upstream(MAX_BODY_BYTES="1000000")
    response = await rig.send(body=body)
    assert (response.status, error_of(response)["code"]) == (status, code)
    assert rig.ports.fetch.calls == []
    assert (await rig.send()).status == 200
    nothing_was_misused(rig)


@pytest.mark.parametrize(
    "extra",
    [{"max_tokens": 2**31 - 1}, {"user": "\ud800"}, {"metadata": {"a": "x" * 100_000}}, {"seed": -(2**70)}],
)
async def test_odd_but_valid_fields_go_through(extra: dict[str, Any]) -> None:
    rig = with_upstream()
    assert (await rig.send(body={**CHAT_BODY, **extra})).status == 200
    assert rig.ports.fetch.calls[0].json.items() >= extra.items()


@given(
    st.dictionaries(
        st.sampled_from(["model", "messages", "stream", "temperature", "x"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=5)
        | st.lists(st.text(max_size=3), max_size=2),
    )
)
async def test_nothing_from_outside_is_ever_a_500(body: dict[str, Any]) -> None:
    rig = with_upstream(json_answer(completion()))
    response = await rig.send(body={**CHAT_BODY, **body})
    assert response.status < 500 or error_of(response)["code"].startswith("upstream")


async def test_a_tenant_over_its_limit_is_429() -> None:
    rig = with_upstream(ports=fake_ports(rate_limit=FakeRateLimit(False)))
    response = await rig.send()
    assert (response.status, response.headers["retry-after"]) == (429, "60")
    assert rig.events[0]["error_code"] == "rate_limited"


async def test_an_issuer_that_cannot_be_reached_is_503_and_not_the_callers_fault() -> None:
    rig = make_gateway()
    response = await rig.send(headers=BEARER)
    assert (response.status, error_of(response)["code"]) == (503, "keys_unavailable")
    (event,) = rig.events
    assert (event["outcome"], event["level"]) == ("error", "error"), "no model's fault: none was asked"
    assert not rig.observed.span("POST /v1/chat/completions").status.is_unset


async def test_models_are_listed_in_openais_shape() -> None:
    response = await make_gateway().send("GET", "/v1/models")
    assert json.loads(await whole_body(response)) == {
        "object": "list",
        "data": [{"id": "fast", "object": "model", "created": 0, "owned_by": "openai"}],
    }


async def test_health_needs_no_credentials_and_no_io() -> None:
    rig = make_gateway()
    response = await rig.send("GET", "/health", headers={})
    assert json.loads(await whole_body(response))["status"] == "ok"
    assert response.headers["cache-control"] == "no-store"
    assert rig.ports.fetch.calls == []
