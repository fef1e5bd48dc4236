"""One of OpenTelemetry's published instrumentations runs unmodified on the engine's providers."""

from __future__ import annotations

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

from tests.telemetry.fakes import make_rig


async def test_httpx_instrumented_with_the_api_alone_makes_spans_metrics_and_headers() -> None:
    rig = make_rig()
    seen: list[httpx.Headers] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        if request.url.path == "/broken":
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(404 if request.url.path == "/missing" else 200)

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    HTTPXClientInstrumentor.instrument_client(
        client,
        tracer_provider=rig.telemetry.tracer_provider,
        meter_provider=rig.telemetry.meter_provider,
    )
    tracer = rig.telemetry.tracer("app")
    with tracer.start_as_current_span("request") as root:
        await client.get("http://upstream.example/fine")
        await client.get("http://upstream.example/missing")
        with pytest.raises(httpx.ConnectError):
            await client.get("http://upstream.example/broken")
    HTTPXClientInstrumentor.uninstrument_client(client)
    await client.aclose()

    spans = await rig.exported_spans()
    assert [span["name"] for span in spans] == ["request", "GET", "GET", "GET"]
    root_id = trace.format_span_id(root.get_span_context().span_id)
    assert {span["parentSpanId"] for span in spans[1:]} == {root_id}
    assert [span["kind"] for span in spans[1:]] == [3, 3, 3]
    assert [span["status"].get("code") for span in spans[1:]] == [None, 2, 2]
    assert spans[3]["events"][0]["name"] == "exception" or spans[3]["status"]["message"]
    assert seen[0]["traceparent"].split("-")[2] == spans[1]["spanId"]
    metrics = rig.post.of("metrics")[0].metrics()
    assert any(name.startswith("http.client") for name in metrics)
