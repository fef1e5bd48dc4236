"""What a flush tells of itself, and what else it may carry."""

from __future__ import annotations

import json
from typing import Any

from lumigate.telemetry.host import Host, PostResult
from tests.telemetry.fakes import OK, make_rig
from tests.telemetry.flush.waiting import UNAVAILABLE


async def test_its_own_metrics_tell_what_happened() -> None:
    rig = make_rig(answers=[UNAVAILABLE])
    rig.post.by_url["/v1/traces"] = UNAVAILABLE
    await rig.request()
    await rig.background.settle()
    rig.post.by_url.clear()
    rig.clock.advance(30)
    await rig.request()
    await rig.background.settle()
    await rig.flush()
    points: dict[str, dict[str, Any]] = {}
    for sent in rig.post.of("metrics"):
        for name, metric in sent.metrics().items():
            for kind in ("sum", "gauge", "histogram"):
                for point in metric.get(kind, {}).get("dataPoints", []):
                    labels = {a["key"]: a["value"].get("stringValue") for a in point.get("attributes", [])}
                    points.setdefault(name, {})[json.dumps(labels, sort_keys=True)] = point
    by = '{"destination": "otlp", "result": "unavailable", "signal": "traces"}'
    assert points["lumigate.telemetry.export.requests"][by]["asInt"] == "1"
    assert int(points["lumigate.telemetry.export.duration"][by]["count"]) == 1
    assert '{"destination": "otlp", "signal": "traces"}' in points["lumigate.telemetry.export.retries"]
    assert '{"destination": "otlp", "signal": "logs"}' in points["lumigate.telemetry.breaker.state"]
    assert points["lumigate.telemetry.spans"]['{"decision": "kept"}']["asInt"] == "2"
    for name in ("queue.items", "queue.size", "exported", "export.size", "flush.duration", "traces.kept"):
        assert f"lumigate.telemetry.{name}" in points


async def test_the_export_itself_is_not_traced() -> None:
    """An instrumented HTTP client sees that instrumentation is suppressed."""
    from opentelemetry.instrumentation.utils import (
        is_http_instrumentation_enabled,
        is_instrumentation_enabled,
    )

    seen = []

    async def look() -> PostResult:
        seen.append((is_instrumentation_enabled(), is_http_instrumentation_enabled()))
        return OK

    rig = make_rig()
    rig.post.by_url["/v1/"] = look
    await rig.request()
    await rig.background.settle()
    await rig.flush()
    assert set(seen) == {(False, False)}
    assert is_instrumentation_enabled()


async def test_a_host_may_have_something_of_its_own_done_with_each_flush() -> None:
    """How deltas reach the counter shard; its failure costs the exports nothing."""
    rig = make_rig(strict=False)
    calls: list[int] = []

    async def deliver() -> None:
        calls.append(len(rig.telemetry.collect_deltas()))
        raise RuntimeError("the shard is gone")

    rig.telemetry.tracer("t").start_span("s", parent=None).end()
    rig.telemetry.after_request(Host(post=rig.post, background=rig.background, on_flush=deliver))
    await rig.background.settle()
    assert len(calls) == 1
    assert rig.post.span_names() == ["s"]
    assert rig.telemetry.stats().errors == {"on_flush": 1}
    nowhere = make_rig({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, strict=False)
    nowhere.telemetry.after_request(Host(post=rig.post, background=rig.background, on_flush=deliver))
    await rig.background.settle()
    assert len(calls) == 2


async def test_metrics_collected_elsewhere_are_exported_and_replace_only_their_like() -> None:
    """As the counter shard does: cumulative, beside the engine's own."""
    rig = make_rig({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "cumulative"})
    other = make_rig()
    counter = other.telemetry.meter_provider.get_meter("shard").create_counter("elsewhere")
    for _ in range(2):
        counter.add(1)
        rig.telemetry.export_metrics(other.telemetry.meter_provider.collect(other.clock.time_ns))
    rig.telemetry.meter_provider.get_meter("m").create_counter("own").add(1)
    await rig.flush()
    names = [metric["name"] for metric in rig.post.of("metrics")[0].every_metric()]
    assert names.count("elsewhere") == 1
    assert "own" in names
    assert rig.telemetry.stats().queues[1].items == 0
