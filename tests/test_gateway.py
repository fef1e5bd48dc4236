"""The life of a request, whole: over fakes of the ports and the real telemetry engine."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.gateway import Gateway
from lumigate.http.routing import Endpoint
from lumigate.http.types import Disconnect, Response
from lumigate.ports import FetchError, StreamInterrupted
from lumigate.scope import Scope
from tests.fakes import (
    API_KEY,
    CHAT_BODY,
    DONE_EVENT,
    JWKS_URL,
    PROVIDER_KEY,
    STREAM,
    UPSTREAM_URL,
    USAGE_EVENT,
    WITH_KEY,
    FakeAnswer,
    FakeKeyValue,
    FakeRateLimit,
    GatewayUnderTest,
    completion,
    error_of,
    fake_ports,
    json_answer,
    key_set,
    make_claims,
    make_gateway,
    make_settings,
    make_token,
    settle,
    stream_answer,
    whole_body,
)

STREAMED = {**CHAT_BODY, "stream": True}
FRESH = {**WITH_KEY, "cache-control": "no-store"}
BEARER = {"authorization": f"Bearer {make_token()}"}
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def with_upstream(*answers: FakeAnswer | Exception, **options: Any) -> GatewayUnderTest:
    rig = make_gateway(**options)
    rig.ports.fetch.script(UPSTREAM_URL, *(answers or (json_answer(completion()),)))
    rig.ports.fetch.script(JWKS_URL, key_set("k1"))
    return rig


def nothing_was_misused(rig: GatewayUnderTest) -> None:
    stats = rig.gateway.telemetry.stats()
    assert (dict(stats.misuse), dict(stats.errors), dict(stats.dropped)) == ({}, {}, {})


# --- the span tree


async def test_a_request_leaves_the_whole_tree_of_its_life() -> None:
    rig = with_upstream()
    response = await rig.send(headers={**BEARER, "user-agent": "test"})
    assert response.status == 200
    await rig.ports.background.run()
    assert rig.observed.tree(
        "lumigate.auth.reason",
        "lumigate.key_set.result",
        "lumigate.rate_limit.result",
        "lumigate.cache.outcome",
        "lumigate.cache.result",
        "lumigate.model.alias",
        "lumigate.outcome",
    ) == "\n".join(
        [
            "POST /v1/chat/completions [server] miss complete",
            "  auth.check ok",
            "    auth.keys.fetch [client] ok",
            "  rate_limit.check allowed",
            "  cache.lookup miss",
            "    cache.l1 miss",
            "    cache.l2 miss",
            "  llm.route fast",
            "  chat gpt-4o-mini [client]",
        ]
    )
    assert rig.observed.span("POST /v1/chat/completions").attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "url.path": "/v1/chat/completions",
        "url.scheme": "https",
        "user_agent.original": "test",
        "geo.country.iso_code": "DE",
        "cloudflare.colo": "FRA",
        "lumigate.request.id": response.headers["x-request-id"],
        "lumigate.tenant": "acme",
        "lumigate.outcome": "complete",
        "lumigate.cache.outcome": "miss",
    }
    nothing_was_misused(rig)


async def test_a_hit_ends_at_the_cache() -> None:
    rig = with_upstream()
    first = await rig.send()
    rig.observed.spans.clear()
    second = await rig.send()
    assert second.body == first.body
    assert rig.observed.tree("lumigate.cache.outcome", "lumigate.cache.result") == "\n".join(
        [
            "POST /v1/chat/completions [server] hit-l1",
            "  auth.check",
            "  rate_limit.check",
            "  cache.lookup hit-l1",
            "    cache.l1 hit",
        ]
    )
    assert len(rig.ports.fetch.calls) == 1
    nothing_was_misused(rig)


async def test_a_stream_ends_its_span_when_the_last_byte_has_left() -> None:
    rig = with_upstream(stream_answer(*STREAM))
    response = await rig.send(body=STREAMED)
    assert "POST /v1/chat/completions" not in [span.name for span in rig.observed.spans]
    assert rig.events == []
    assert await whole_body(response) == b"".join(STREAM).replace(USAGE_EVENT, b"")
    assert (
        rig.observed.tree("lumigate.outcome").splitlines()[0] == "POST /v1/chat/completions [server] complete"
    )
    assert rig.observed.span("chat gpt-4o-mini").attributes["gen_ai.request.stream"] is True
    nothing_was_misused(rig)


async def test_a_refused_caller_leaves_a_short_tree() -> None:
    rig = with_upstream()
    await rig.send(headers={})
    assert rig.observed.tree("error.type") == (
        "POST /v1/chat/completions [server] token_missing\n  auth.check token_missing"
    )
    nothing_was_misused(rig)


async def test_an_upstream_that_fails_is_told_on_its_span_and_on_the_servers() -> None:
    rig = with_upstream(FetchError("timeout"))
    response = await rig.send(headers=FRESH)
    assert response.status == 504
    assert rig.observed.tree() == "\n".join(
        [
            "POST /v1/chat/completions [server] !upstream_timeout",
            "  auth.check",
            "  rate_limit.check",
            "  llm.route",
            "  chat gpt-4o-mini [client] !upstream_timeout",
        ]
    )
    nothing_was_misused(rig)


# --- trace context


async def test_a_valid_traceparent_is_continued() -> None:
    rig = make_gateway()
    response = await rig.send("GET", "/health", headers={"traceparent": TRACEPARENT})
    span = rig.observed.span("GET /health")
    assert span.parent is not None
    assert format(span.parent.span_id, "016x") == "b7ad6b7169203331"
    assert response.headers["traceresponse"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert rig.events[0]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


BROKEN_TRACEPARENTS = [
    "",
    "junk",
    TRACEPARENT.upper().replace("00-", "zz-", 1),
    TRACEPARENT[:-1],
    TRACEPARENT + "-01",
    "00-" + "0" * 32 + "-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c8031-b7ad6b7169203331-01",
    "é" * 55,
    "00-" * 10_000,
]


@pytest.mark.parametrize("header", BROKEN_TRACEPARENTS)
async def test_a_broken_traceparent_starts_a_new_trace_and_is_no_error(header: str) -> None:
    rig = make_gateway()
    response = await rig.send("GET", "/health", headers={"traceparent": header, "tracestate": "=,=;;é"})
    assert response.status == 200
    assert rig.observed.span("GET /health").parent is None
    trace_id = rig.events[0]["trace_id"]
    assert int(trace_id, 16) != 0
    nothing_was_misused(rig)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
async def test_no_context_headers_are_an_error(traceparent: str, tracestate: str, baggage: str) -> None:
    rig = make_gateway()
    headers = {"traceparent": traceparent, "tracestate": tracestate, "baggage": baggage}
    assert (await rig.send("GET", "/health", headers=headers)).status == 200


# --- answers


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
    [{"max_tokens": 10**300}, {"user": "\ud800"}, {"metadata": {"a": "x" * 100_000}}, {"seed": -(2**70)}],
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
    assert (event["outcome"], event["level"]) == ("upstream_error", "warn")
    assert not rig.observed.span("POST /v1/chat/completions").status.is_unset


# --- what is written down


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


async def test_an_answer_that_must_not_be_stored_is_neither_looked_for_nor_kept() -> None:
    rig = with_upstream(json_answer(completion("one")), json_answer(completion("two")))
    for _ in range(2):
        response = await rig.send(headers=FRESH)
        assert response.headers["x-lumigate-cache"] == "bypass"
    await rig.ports.background.run()
    assert rig.ports.key_value is not None
    assert rig.ports.key_value.values == {}


async def test_a_fresh_answer_is_asked_for_and_kept_for_others() -> None:
    rig = with_upstream(json_answer(completion("one")), json_answer(completion("two")))
    await rig.send()
    response = await rig.send(headers={**WITH_KEY, "cache-control": "max-age=0, No-Cache"})
    assert response.headers["x-lumigate-cache"] == "bypass"
    assert b"two" in await whole_body(response)
    assert b"two" in await whole_body(await rig.send())


async def test_a_stream_is_replayed_from_the_cache_as_the_same_events() -> None:
    rig = with_upstream(stream_answer(*STREAM))
    first = await whole_body(await rig.send(body=STREAMED))
    response = await rig.send(body=STREAMED)
    assert response.headers["x-lumigate-cache"] == "hit-l1"
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert await whole_body(response) == first
    assert rig.events[-1]["stream"] is True


@pytest.mark.parametrize("ending", [(), (StreamInterrupted("connection"),)], ids=["truncated", "reset"])
async def test_only_a_complete_stream_is_kept(ending: tuple[Exception, ...]) -> None:
    rig = with_upstream(stream_answer(STREAM[0], *ending), stream_answer(*STREAM))
    await whole_body(await rig.send(body=STREAMED))
    response = await rig.send(body=STREAMED)
    assert response.headers["x-lumigate-cache"] == "miss"
    assert (await whole_body(response)).endswith(DONE_EVENT)


async def test_tenants_do_not_share_answers() -> None:
    rig = with_upstream(json_answer(completion("one")), json_answer(completion("two")))
    await rig.send(headers={"authorization": f"Bearer {make_token(make_claims(tenant='acme'))}"})
    response = await rig.send(
        headers={"authorization": f"Bearer {make_token(make_claims(tenant='umbrella'))}"}
    )
    assert response.headers["x-lumigate-cache"] == "miss"


# --- clients that leave


async def test_a_client_that_hangs_up_in_a_stream_is_an_abort_with_its_provider_stopped() -> None:
    answer = stream_answer(*STREAM)
    rig = with_upstream(answer)
    disconnect = Disconnect()
    response = await rig.send(body=STREAMED, disconnect=disconnect)
    events = cast("AsyncGenerator[bytes]", response.body)
    await anext(events)
    disconnect.fire()
    await events.aclose()
    assert answer.cancelled
    (event,) = rig.events
    assert (event["status"], event["outcome"], event["level"]) == (200, "client_abort", "warn")
    assert rig.observed.total("lumigate.request.outcomes", lumigate__outcome="client_abort") == 1
    nothing_was_misused(rig)


async def test_a_client_that_hangs_up_before_the_answer_is_a_499() -> None:
    rig = with_upstream(FakeAnswer(200, {}, [asyncio.Event()]))
    disconnect = Disconnect()
    task = asyncio.create_task(rig.send(disconnect=disconnect))
    await settle()
    disconnect.fire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (event,) = rig.events
    assert (event["status"], event["outcome"]) == (499, "client_abort")
    assert rig.observed.span("chat gpt-4o-mini").attributes["error.type"] == "client_abort"


async def test_a_stream_that_is_never_started_is_closed_by_the_hang_up() -> None:
    rig = with_upstream(stream_answer(*STREAM))
    disconnect = Disconnect()
    response = await rig.send(body=STREAMED, disconnect=disconnect)
    disconnect.fire()
    await cast("AsyncGenerator[bytes]", response.body).aclose()
    assert [event["outcome"] for event in rig.events] == ["client_abort"]


async def test_a_request_that_fell_silent_is_closed_by_a_later_one() -> None:
    """On Workers the code of a request whose client left may never run again."""
    rig = with_upstream(stream_answer(STREAM[0], asyncio.Event(), *STREAM[1:]))
    response = await rig.send(body=STREAMED)
    events = cast("AsyncGenerator[bytes]", response.body)
    await anext(events)
    rig.ports.clock.advance(60)
    await rig.send("GET", "/health")
    assert [event["route"] for event in rig.events] == ["/health"], "closed too early"
    rig.ports.clock.advance(60)
    await rig.send("GET", "/health")
    silent = next(event for event in rig.events if event["route"] == "/v1/chat/completions")
    assert (silent["status"], silent["outcome"], silent["error_code"]) == (
        200,
        "client_abort",
        "client_abort",
    )
    assert silent["request_id"] == response.headers["x-request-id"]
    assert rig.observed.span("chat gpt-4o-mini").attributes["error.type"] == "client_abort"
    await events.aclose()
    assert len([e for e in rig.events if e["route"] == "/v1/chat/completions"]) == 1
    nothing_was_misused(rig)


async def test_a_stream_that_still_speaks_is_not_silent_however_long_it_takes() -> None:
    ports = fake_ports()
    pieces = [piece for event in STREAM for piece in (lambda: ports.clock.advance(25), event)]
    rig = with_upstream(stream_answer(*pieces), ports=ports)
    response = await rig.send(body=STREAMED)
    events = cast("AsyncGenerator[bytes]", response.body)
    async for _ in events:
        await rig.send("GET", "/health")
    ended = next(event for event in rig.events if event["route"] == "/v1/chat/completions")
    assert (ended["outcome"], ended["duration_ms"]) == ("complete", 125_000)


# --- defects, ours and the platform's


def with_handler(rig: GatewayUnderTest, error: BaseException) -> None:
    """Make `/health` raise."""

    async def handler(scope: Scope) -> Response:
        raise error

    methods = rig.gateway._routes._by_path["/health"]
    methods["GET"] = cast("Endpoint[Any]", replace(methods["GET"], handler=handler))


async def test_a_defect_is_a_500_that_tells_the_caller_nothing_and_the_trace_everything() -> None:
    rig = make_gateway()
    with_handler(rig, ZeroDivisionError("secret detail"))
    response = await rig.send("GET", "/health")
    assert response.status == 500
    assert error_of(response)["code"] == "internal_error"
    assert b"secret detail" not in await whole_body(response)
    span = rig.observed.span("GET /health")
    assert span.events[0].attributes["exception.message"] == "secret detail"
    assert not span.status.is_unset
    (event,) = rig.events
    assert (event["outcome"], event["level"], event["error_code"]) == ("error", "error", "internal_error")


async def test_a_missing_module_stands_out_by_its_own_event_and_counter() -> None:
    rig = make_gateway()
    with_handler(rig, ModuleNotFoundError("No module named 'tiktoken'", name="tiktoken"))
    response = await rig.send("GET", "/health")
    assert (response.status, error_of(response)["code"]) == (500, "import_failed")
    assert b"tiktoken" not in await whole_body(response)
    (failure,) = rig.ports.console.events("import_failure")
    assert failure == {
        "event": "import_failure",
        "time": "2023-11-14T22:13:20.000Z",
        "level": "error",
        "trace_id": rig.events[0]["trace_id"],
        "request_id": response.headers["x-request-id"],
        "environment": "test",
        "version": "1.2.3",
        "module": "tiktoken",
    }
    assert rig.observed.total("lumigate.worker.import_failures", lumigate__module="tiktoken") == 1
    assert rig.events[0]["error_code"] == "import_failed"


async def test_a_console_that_fails_where_a_module_is_missing_changes_nothing() -> None:
    rig = make_gateway()
    with_handler(rig, ImportError("no name"))
    rig.ports.console.fault = OSError("console")
    response = await rig.send("GET", "/health")
    assert (response.status, error_of(response)["code"]) == (500, "import_failed")


def break_port(rig: GatewayUnderTest, port: str) -> None:
    fault = OSError(f"{port} failed")
    match port:
        case "console":
            rig.ports.console.fault = fault
        case "data_points":
            assert rig.ports.data_points is not None
            rig.ports.data_points.fault = fault
        case "post":
            rig.ports.post.fault = fault
        case "key_value":
            assert isinstance(rig.ports.key_value, FakeKeyValue)
            rig.ports.key_value.fault = fault
        case "rate_limit":
            assert rig.ports.rate_limit is not None
            rig.ports.rate_limit.answer = fault
        case "span_processor":

            class Broken:
                def on_start(self, span: Any, parent_context: Any = None) -> None:
                    raise fault

                def on_end(self, span: Any) -> None:
                    raise fault

            rig.gateway.telemetry.tracer_provider.add_span_processor(Broken())


EXPORT: dict[str, Any] = {"METRICS_VIA": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example"}


@pytest.mark.parametrize(
    "port", ["console", "data_points", "post", "key_value", "rate_limit", "span_processor"]
)
async def test_a_port_that_telemetry_or_the_cache_leans_on_may_fail_and_the_answer_is_the_same(
    port: str,
) -> None:
    whole, broken = with_upstream(**EXPORT), with_upstream(**EXPORT)
    break_port(broken, port)
    answers = []
    for rig in (whole, broken):
        response = await rig.send()
        await rig.ports.background.run()
        answers.append((response.status, response.body, response.headers))
    assert answers[0] == answers[1]


async def test_a_sink_that_fails_does_not_starve_the_others() -> None:
    rig = with_upstream(**EXPORT)
    break_port(rig, "data_points")
    await rig.send()
    assert len(rig.events) == 1
    await rig.ports.background.run()
    assert "https://collector.example/v1/traces" in rig.ports.post.urls

    rig = with_upstream(**EXPORT)
    break_port(rig, "console")
    await rig.send()
    await rig.ports.background.run()
    assert "https://collector.example/v1/traces" in rig.ports.post.urls
    assert rig.gateway.telemetry.stats().errors


async def test_an_answer_never_waits_for_an_export() -> None:
    rig = with_upstream(**EXPORT)
    await rig.send()
    assert rig.ports.post.urls == []
    await rig.ports.background.run()
    assert {url.rpartition("/")[2] for url in rig.ports.post.urls} == {"traces", "metrics"}


async def test_an_isolate_serves_requests_side_by_side_without_mixing_them() -> None:
    rig = with_upstream(*(json_answer(completion(str(number))) for number in range(20)))
    bodies = [{**CHAT_BODY, "seed": number} for number in range(20)]
    responses = await asyncio.gather(*(rig.send(body=body) for body in bodies))
    assert {response.status for response in responses} == {200}
    assert len({event["trace_id"] for event in rig.events}) == 20
    by_trace: dict[int, set[str]] = {}
    for span in rig.observed.spans:
        by_trace.setdefault(span.context.trace_id, set()).add(span.name)
    assert all("chat gpt-4o-mini" in names and len(names) == 8 for names in by_trace.values())
    nothing_was_misused(rig)


# --- cron


async def test_the_cron_run_beats_and_flushes() -> None:
    rig = make_gateway(**EXPORT)
    await rig.gateway.scheduled(rig.ports, "* * * * *")
    (event,) = rig.ports.console.events("cron")
    assert event["time"] == "2023-11-14T22:13:20.000Z"
    assert rig.observed.span("cron").attributes == {"lumigate.cron": "* * * * *"}
    assert rig.observed.total("lumigate.heartbeat") == 1
    assert {url.rpartition("/")[2] for url in rig.ports.post.urls} == {"traces", "metrics"}


async def test_a_console_or_collector_that_fails_does_not_fail_the_cron_run() -> None:
    rig = make_gateway(**EXPORT)
    rig.ports.console.fault = OSError("console")
    rig.ports.post.fault = OSError("post")
    await rig.gateway.scheduled(rig.ports)


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


def test_building_a_gateway_draws_no_entropy_and_reads_no_clock() -> None:
    """It happens while modules are imported, where the platform has neither."""

    class Forbidden:
        def random_bytes(self, count: int) -> bytes:
            raise AssertionError("entropy")

        def now_ns(self) -> int:
            raise AssertionError("clock")

        async def sleep(self, seconds: float) -> None:
            raise AssertionError("timer")

    Gateway(make_settings(), clock=Forbidden(), entropy=Forbidden())
