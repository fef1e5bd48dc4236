"""A request's wide event, data point and metrics."""

from __future__ import annotations

import json

import pytest

from tests.fakes import (
    API_KEY,
    CHAT_BODY,
    JWKS_URL,
    PROVIDER_KEY,
    UPSTREAM_URL,
    FakeAnswer,
    completion,
    fake_ports,
    json_answer,
    key_set,
    make_gateway,
)
from tests.gateway.rig import BEARER, FRESH, with_upstream


async def test_the_wide_event_tells_everything_that_is_known() -> None:
    rig = with_upstream(json_answer(completion()))
    response = await rig.send(headers=BEARER)
    assert isinstance(response.body, bytes)
    (event,) = rig.events
    span = rig.observed.span("POST /v1/chat/completions")
    assert event == {
        "event": "request",
        "time": "2023-11-14T22:13:20.000Z",
        "level": "info",
        "trace_id": format(span.context.trace_id, "032x"),
        "span_id": format(span.context.span_id, "016x"),
        "trace_kept": True,
        "request_id": response.headers["x-request-id"],
        "tenant": "acme",
        "subject_hash": "88fa0d759f845b47",
        "method": "POST",
        "route": "/v1/chat/completions",
        "status": 200,
        "outcome": "complete",
        "error_code": "",
        "duration_ms": 0.0,
        "upstream_ms": 0.0,
        "ttfc_ms": 0.0,
        "auth_ms": 0.0,
        "l1_ms": 0.0,
        "route_ms": 0.0,
        "auth_method": "bearer",
        "auth_reason": "ok",
        "cache": "miss",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "model_alias": "fast",
        "attempts": 1,
        "fallbacks": 0,
        "cache_read_tokens": 0,
        "reasoning_tokens": 0,
        "cost_estimated": False,
        "conversation_id": "",
        "region": "",
        "tenant_class": "standard",
        "stream": False,
        "input_tokens": 1000,
        "output_tokens": 500,
        "cost_usd": pytest.approx(0.00045),
        "request_bytes": len(json.dumps(CHAT_BODY)),
        "response_bytes": len(response.body),
        "country": "DE",
        "colo": "FRA",
        "environment": "test",
        "version": "1.2.3",
    }


async def test_one_data_point_a_request_in_the_catalogs_order() -> None:
    rig = with_upstream()
    await rig.send()
    assert rig.ports.data_points is not None
    (point,) = rig.ports.data_points.points
    assert point.index == "acme"
    assert point.blobs[:7] == (
        "/v1/chat/completions",
        "POST",
        "complete",
        "",
        "openai",
        "gpt-4o-mini",
        "miss",
    )
    assert point.doubles[0] == 200
    assert point.doubles[4:6] == (1000, 500)


async def test_the_metrics_of_a_request_are_counted_once() -> None:
    rig = with_upstream()
    await rig.send()
    total = rig.observed.total
    route = {"http__route": "/v1/chat/completions"}
    assert total("http.server.request.duration", **route, http__response__status_code=200) == 1
    assert total("lumigate.request.outcomes", **route, lumigate__outcome="complete") == 1
    assert total("lumigate.cache.outcomes", **route, lumigate__cache__outcome="miss") == 1
    assert total("lumigate.gateway.overhead") == 1
    assert total("lumigate.auth.checks") == 1
    assert total("gen_ai.client.inference.duration") == 1
    assert total("lumigate.llm.cost") == pytest.approx(0.00045)


async def test_the_time_of_a_check_is_told_of_the_request_as_it_is_in_the_metric() -> None:
    """Fetching the issuer's keys included; a hit in memory and a choice that wait for nothing take no time."""
    ports = fake_ports()
    rig = make_gateway(ports)
    keys = b"".join([piece async for piece in key_set("k1").chunks()])
    rig.ports.fetch.script(JWKS_URL, FakeAnswer(200, {}, [lambda: ports.clock.advance(0.03), keys]))
    rig.ports.fetch.script(UPSTREAM_URL, json_answer(completion()))
    for _ in range(2):
        await rig.send(headers=BEARER)
    first, second = rig.events
    assert (first["auth_ms"], second["auth_ms"], second["l1_ms"], second["route_ms"]) == (30, 0, 0, 0)
    assert rig.observed.total("lumigate.auth.duration") == 2


async def test_the_time_a_provider_took_is_not_the_gateways() -> None:
    ports = fake_ports()
    rig = make_gateway(ports)
    rig.ports.fetch.script(
        UPSTREAM_URL,
        FakeAnswer(200, {}, [lambda: ports.clock.advance(2.0), json.dumps(completion()).encode()]),
    )
    await rig.send()
    (event,) = rig.events
    assert (event["duration_ms"], event["upstream_ms"]) == (2000, 2000)


async def test_no_secret_is_written_down_anywhere() -> None:
    rig = with_upstream(
        json_answer(completion()), json_answer({"error": {"message": f"bad key {PROVIDER_KEY}"}}, 401)
    )
    await rig.send()
    await rig.send(headers=FRESH)
    await rig.send(headers=BEARER)
    written = "\n".join([*rig.ports.console.lines, *(span.to_json() for span in rig.observed.spans)])
    for secret in (API_KEY, PROVIDER_KEY, BEARER["authorization"], "hello"):
        assert secret not in written
