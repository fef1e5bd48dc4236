"""What the SRE sees: the export over real HTTP, read with the official `opentelemetry-proto` messages."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from typing import Any

import httpx
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.blackbox.conftest import PATIENCE, Stage
from tests.collector import Collector, attributes

CHAT = "/v1/chat/completions"
SERVER = "POST /v1/chat/completions"


def question(text: str = "", **more: Any) -> dict[str, Any]:
    return {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": f"{text} {uuid.uuid4()}"}],
        **more,
    }


def traced(stage: Stage, answer: httpx.Response) -> dict[str, Span]:
    assert stage.collector is not None
    return stage.collector.trace(answer.headers["traceresponse"].split("-")[1], with_span=SERVER)


def test_the_whole_tree_of_a_request_arrives(staged: Stage, http: httpx.Client) -> None:
    answer = http.post(CHAT, json=question(), headers=staged.headers())
    spans = traced(staged, answer)
    by_id = {span.span_id: span for span in spans.values()}
    parents = {name: by_id[s.parent_span_id].name if s.parent_span_id else "" for name, s in spans.items()}
    expected = {
        SERVER: "",
        "auth.check": SERVER,
        "rate_limit.check": SERVER,
        "cache.lookup": SERVER,
        "cache.l1": "cache.lookup",
        "cache.l2": "cache.lookup",
        "cache.l3": "cache.lookup",
        "llm.route": SERVER,
        "chat gpt-4o-mini": SERVER,
    }
    parents.pop("auth.keys.fetch", None)  # only at the first check of an isolate
    assert parents == expected
    kinds = Span.SpanKind
    assert spans[SERVER].kind == kinds.SPAN_KIND_SERVER
    assert spans["chat gpt-4o-mini"].kind == kinds.SPAN_KIND_CLIENT
    assert spans["auth.check"].kind == kinds.SPAN_KIND_INTERNAL


def test_children_lie_inside_their_parents(staged: Stage, http: httpx.Client) -> None:
    answer = http.post(CHAT, json=question(stream=True), headers=staged.headers())
    spans = traced(staged, answer)
    by_id = {span.span_id: span for span in spans.values()}
    for span in spans.values():
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        parent = by_id.get(span.parent_span_id)
        if parent is not None:
            assert parent.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= parent.end_time_unix_nano


def test_the_spans_say_what_happened(staged: Stage, http: httpx.Client) -> None:
    answer = http.post(CHAT, json=question(), headers=staged.headers())
    spans = traced(staged, answer)
    server, chat = attributes(spans[SERVER]), attributes(spans["chat gpt-4o-mini"])
    assert server["http.response.status_code"] == 200
    assert server["http.route"] == CHAT
    assert server["lumigate.request.id"] == answer.headers["x-request-id"]
    assert server["lumigate.outcome"] == "complete"
    assert server["lumigate.cache.outcome"] == "miss"
    assert chat["gen_ai.operation.name"] == "chat"
    assert chat["gen_ai.provider.name"] == "openai"
    assert chat["gen_ai.request.model"] == "gpt-4o-mini"
    assert chat["gen_ai.usage.input_tokens"] == answer.json()["usage"]["prompt_tokens"]
    assert chat["gen_ai.usage.output_tokens"] == answer.json()["usage"]["completion_tokens"]
    assert chat["gen_ai.response.finish_reasons"] == ["stop"]
    assert chat["lumigate.llm.cost"] > 0
    assert attributes(spans["auth.check"]) == {
        "lumigate.auth.method": "bearer",
        "lumigate.auth.result": "allowed",
        "lumigate.auth.reason": "ok",
    }


def test_prompts_and_credentials_are_not_in_telemetry(staged: Stage, http: httpx.Client) -> None:
    secret = f"attic-{uuid.uuid4()}"
    answer = http.post(CHAT, json=question(secret), headers=staged.headers())
    spans = traced(staged, answer)
    told = str(spans) + str(staged.event(answer.headers["x-request-id"]))
    assert secret not in told
    assert staged.headers()["authorization"].split(".")[2] not in told
    assert "sk-mock" not in told


def test_a_cache_hit_calls_no_model(staged: Stage, http: httpx.Client) -> None:
    body = question()
    http.post(CHAT, json=body, headers=staged.headers())
    spans = traced(staged, http.post(CHAT, json=body, headers=staged.headers()))
    assert {"cache.lookup", "cache.l1"} <= set(spans)
    assert not {"llm.route", "chat gpt-4o-mini"} & set(spans)
    assert attributes(spans["cache.l1"])["lumigate.cache.result"] == "hit"


def test_one_wide_event_tells_the_request(staged: Stage, http: httpx.Client) -> None:
    answer = http.post(CHAT, json=question(), headers=staged.headers())
    event = staged.event(answer.headers["x-request-id"])
    told = [e for e in staged.events() if e.get("request_id") == event["request_id"]]
    assert len(told) == 1
    usage = answer.json()["usage"]
    assert event["trace_id"] == answer.headers["traceresponse"].split("-")[1]
    assert (event["input_tokens"], event["output_tokens"]) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )
    assert (event["provider"], event["model"], event["cache"]) == ("openai", "gpt-4o-mini", "miss")
    assert event["response_bytes"] == len(answer.content)
    assert event["cost_usd"] > 0


def test_metrics_arrive_cumulative_with_the_right_counts(staged: Stage, http: httpx.Client) -> None:
    assert staged.collector is not None

    def refused(collector: Collector) -> int:
        """Checks refused for want of a token: the highest total that was exported."""
        return max(
            (
                point.as_int
                for metric in collector.metrics()
                if metric.name == "lumigate.auth.checks"
                for point in metric.sum.data_points
                if attributes(point).get("lumigate.auth.reason") == "missing"
            ),
            default=0,
        )

    def told() -> int:
        return sum(event.get("auth_reason") == "missing" for event in staged.events())

    last = [http.get("/v1/models") for _ in range(5)][-1]
    staged.event(last.headers["x-request-id"])
    assert told() >= 5
    # Those of other tests included: what they left behind may be exported in the middle of this one.
    staged.collector.wait_for(lambda collector: refused(collector) == told())
    metrics = staged.collector.metrics()
    checks = next(m for m in metrics if m.name == "lumigate.auth.checks")
    assert checks.sum.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert checks.sum.is_monotonic
    duration = next(m for m in metrics if m.name == "http.server.request.duration")
    assert duration.unit == "s"
    assert list(duration.histogram.data_points[0].explicit_bounds)[:3] == [0.005, 0.01, 0.025]


def test_200_concurrent_requests_lose_no_trace_and_make_few_exports(staged: Stage) -> None:
    """Every trace arrives, in few exports; no response waits for one.

    The collector takes its time over each, and what comes meanwhile goes together: so there are few on a slow machine,
    where the burst takes long, as well.
    """
    collector = staged.collector
    assert collector is not None
    headers = staged.headers()

    async def one() -> httpx.Response:
        # A client each: httpx's pool takes quadratic time over connections that it holds at once. They speak plain
        # HTTP, and reading the certificates 200 times would be slow.
        async with httpx.AsyncClient(base_url=staged.url, timeout=PATIENCE, verify=False) as client:  # noqa: S501
            return await client.post(CHAT, json=question(), headers=headers)

    async def burst() -> list[httpx.Response]:
        return await asyncio.gather(*(one() for _ in range(200)))

    exports_before = len(collector.requests)
    collector.pause_seconds = 0.5
    try:
        answers = asyncio.run(burst())
    finally:
        collector.pause_seconds = 0.0
    assert Counter(answer.status_code for answer in answers) == {200: 200}
    wanted = {answer.headers["traceresponse"].split("-")[1] for answer in answers}
    assert len(wanted) == 200

    def missing(found: Collector) -> bool:
        roots = {span.trace_id.hex() for span in found.spans() if span.name == SERVER}
        return wanted <= roots

    collector.wait_for(missing)
    trace_exports = [path for path, _, _ in collector.requests[exports_before:] if path == "/v1/traces"]
    assert len(trace_exports) <= 100
    assert collector.refused == []
