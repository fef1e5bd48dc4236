"""Defects, ours and the platform's: the caller learns nothing, the trace everything, the answer does not suffer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from lumigate.http.routing import Endpoint
from lumigate.http.types import Response
from lumigate.scope import Scope
from tests.fakes import FakeKeyValue, GatewayUnderTest, error_of, make_gateway, whole_body
from tests.gateway.rig import EXPORT, with_upstream


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
