from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import pytest

from lumigate import catalog
from lumigate.courier import MetricsCourier
from lumigate.instruments import Instruments
from lumigate.metrics_settings import MetricsSettings
from lumigate.record import RequestRecorder, rfc3339
from lumigate.scope import Scope
from lumigate.telemetry import Telemetry
from lumigate.telemetry.records import NumberPoint
from lumigate.wide_events import WideEvents
from tests.fakes import (
    NOW_SECONDS,
    FakePorts,
    Observed,
    ScopeUnderTest,
    fake_ports,
    make_gateway,
    make_scope,
    make_settings,
)

SILENT_SECONDS = 90.0


class Rig:
    """A real recorder over strict telemetry, and scopes that use it."""

    def __init__(self, ports: FakePorts | None = None, *, version: str = "1.2.3", **environ: str) -> None:
        self.ports = ports or fake_ports()
        self.telemetry = Telemetry(
            make_settings(**environ).telemetry,
            clock=self.ports.clock,
            entropy=self.ports.entropy,
            metrics=catalog.METRICS,
        )
        courier = MetricsCourier(
            self.telemetry,
            Instruments(self.telemetry),
            MetricsSettings(via_shard=False),
            clock=self.ports.clock,
            entropy=self.ports.entropy,
        )
        self.recorder = RequestRecorder(
            self.telemetry,
            courier,
            WideEvents(("console", "otlp"), self.telemetry.logger("lumigate", version)),
            environment="test",
            version=version,
            silent_seconds=SILENT_SECONDS,
        )
        self.observed = Observed(self.telemetry)
        self._requests = 0

    def begin(self) -> Scope:
        made: ScopeUnderTest = make_scope(ports=self.ports, telemetry=self.telemetry)
        scope = made.scope
        self._requests += 1
        scope.facts.request_id = f"req_{self._requests}"
        scope.recorder = self.recorder
        self.recorder.begin(scope)
        return scope

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.ports.console.events()


class OpenCall:
    """A model call in progress that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def abort(self) -> None:
        self.told.append("abort")

    def finish(self, result: str) -> None:
        self.told.append(result)


@pytest.mark.parametrize(
    ("status", "outcome", "code", "level", "failed"),
    [
        (200, "complete", "", "info", False),
        (401, "refused", "token_expired", "info", False),
        (429, "refused", "rate_limited", "info", False),
        (499, "client_abort", "client_abort", "warn", False),
        (200, "client_abort", "client_abort", "warn", False),
        (200, "truncated", "truncated", "warn", True),
        (200, "upstream_error", "upstream_timeout", "warn", True),
        (429, "upstream_error", "upstream_rate_limited", "warn", True),
        (502, "upstream_error", "upstream_failed", "warn", True),
        (500, "error", "internal_error", "error", True),
    ],
)
def test_an_ending_is_told_alike_on_the_span_in_the_metrics_and_in_the_event(
    status: int, outcome: str, code: str, level: str, failed: bool
) -> None:
    rig = Rig()
    rig.begin().finish(status, outcome, code)
    (event,) = rig.events
    assert (event["status"], event["outcome"], event["error_code"], event["level"]) == (
        status,
        outcome,
        code,
        level,
    )
    span = rig.observed.span("request")
    assert span.attributes["lumigate.outcome"] == outcome
    assert span.attributes.get("error.type", "") == code
    assert (not span.status.is_unset) is failed
    assert rig.observed.total("lumigate.request.outcomes", lumigate__outcome=outcome) == 1
    labels = {"http__response__status_code": status} | ({"error__type": code} if code else {})
    assert rig.observed.total("http.server.request.duration", **labels) == 1
    assert dict(rig.telemetry.stats().misuse) == {}


def test_the_first_to_say_how_a_request_ended_is_believed() -> None:
    rig = Rig()
    scope = rig.begin()
    scope.finish(200, "complete")
    scope.finish(500, "error", "internal_error")
    scope.abort()
    assert [event["outcome"] for event in rig.events] == ["complete"]
    assert rig.observed.total("lumigate.request.outcomes") == 1


def test_an_abort_stops_the_call_in_progress_and_keeps_a_status_that_was_sent() -> None:
    rig = Rig()
    scope, call = rig.begin(), OpenCall()
    scope.open_call = call
    scope.facts.status = 200
    scope.abort()
    assert call.told == ["abort"]
    assert rig.events[0]["status"] == 200
    rig.begin().abort()
    assert rig.events[1]["status"] == 499


def test_a_silent_request_is_closed_by_a_later_one_without_touching_its_connection() -> None:
    """Its ports are those of a request that is gone: only plain data is written, through the later one's."""
    rig = Rig()
    silent, call = rig.begin(), OpenCall()
    silent.open_call = call
    silent.ports = fake_ports()
    rig.ports.clock.advance(SILENT_SECONDS + 1)
    rig.begin()
    assert call.told == ["client_abort"]
    (event,) = rig.events
    assert (event["request_id"], event["status"], event["outcome"]) == ("req_1", 499, "client_abort")
    assert event["duration_ms"] == (SILENT_SECONDS + 1) * 1000
    assert silent.facts.finished


class BrokenCall(OpenCall):
    """One that fails while it is being ended."""

    def abort(self) -> None:
        raise RuntimeError("a defect")

    def finish(self, result: str) -> None:
        raise RuntimeError("a defect")


def test_a_call_that_cannot_be_ended_hides_no_ending() -> None:
    rig = Rig()
    scope = rig.begin()
    scope.open_call = BrokenCall()
    with pytest.raises(RuntimeError):
        scope.abort()
    assert [event["outcome"] for event in rig.events] == ["client_abort"]


def test_a_defect_in_closing_the_silent_is_not_the_next_callers() -> None:
    rig = Rig()
    rig.begin().open_call = BrokenCall()
    rig.begin()
    rig.ports.clock.advance(SILENT_SECONDS + 1)
    rig.begin()
    assert [event["request_id"] for event in rig.events] == ["req_1", "req_2"]
    assert rig.telemetry.stats().errors == {"application": 1}


def test_a_request_that_shows_life_is_left_alone() -> None:
    rig = Rig()
    alive = rig.begin()
    rig.ports.clock.advance(SILENT_SECONDS)
    alive.facts.last_active_ns = rig.ports.clock.now_ns()
    rig.ports.clock.advance(SILENT_SECONDS - 1)
    rig.begin()
    assert rig.events == []


def test_a_finished_request_is_forgotten() -> None:
    rig = Rig()
    for _ in range(50):
        rig.begin().finish(200, "complete")
    assert rig.recorder._in_progress == {}


@pytest.mark.parametrize("fails", [False, True])
async def test_what_is_measured_after_the_answer_is_exported_without_another_request(fails: bool) -> None:
    """A revalidation, a settlement, a slow write: its spans and counts come after the request's own export."""
    rig = Rig(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://collector",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    tracer, traces = rig.telemetry.tracer("test"), "http://collector/v1/traces"
    scope = rig.begin()

    async def later(name: str) -> None:
        rig.ports.clock.advance(10)
        tracer.start_span(name, parent=None).end()
        if fails:
            raise ConnectionError

    scope.finish(200, "complete")
    await rig.ports.background.run()
    assert rig.ports.post.urls == [traces]
    scope.background(later, "later")
    with pytest.raises(ConnectionError) if fails else nullcontext():
        await rig.ports.background.run()
    await rig.ports.background.run()
    assert rig.ports.post.urls == [traces] * 2
    assert all(queue.items == 0 for queue in rig.telemetry.stats().queues)


def test_time_that_steps_back_makes_no_negative_duration() -> None:
    rig = Rig()
    scope = rig.begin()
    scope.facts.upstream_ns = 5_000_000_000
    rig.ports.clock.advance(-10)
    scope.finish(200, "complete")
    assert rig.events[0]["duration_ms"] == 0
    assert rig.observed.total("lumigate.gateway.overhead") == 1


def test_only_a_request_for_a_model_counts_for_the_cache() -> None:
    rig = Rig()
    rig.begin().finish(401, "refused", "token_missing")
    scope = rig.begin()
    scope.facts.model = "gpt-4o-mini"
    scope.facts.cache = "miss"
    scope.finish(200, "complete")
    assert rig.observed.labels("lumigate.cache.outcomes") == [
        {"http.route": "/v1/chat/completions", "lumigate.cache.outcome": "miss"}
    ]


@pytest.mark.parametrize("text", ["t" * 50_000, "ü" * 50_000, "🌍" * 50_000, "\ud800", "\x00\n\r"])
def test_no_text_from_outside_breaks_the_event_or_the_point(text: str) -> None:
    rig = Rig()
    scope = rig.begin()
    scope.facts.tenant = scope.facts.model_alias = text
    scope.finish(200, "complete")
    (line,) = rig.ports.console.lines
    assert "\n" not in line
    assert len(line) <= 16_384
    assert json.loads(line)["outcome"] == "complete"
    assert rig.ports.data_points is not None
    (point,) = rig.ports.data_points.points
    assert len(point.index.encode()) <= 96
    assert sum(len(blob.encode()) for blob in point.blobs) <= 16_000


def test_a_deployment_without_analytics_engine_writes_no_point() -> None:
    rig = Rig(fake_ports(data_points=None))
    rig.begin().finish(200, "complete")
    assert len(rig.events) == 1


@pytest.mark.parametrize("sink", ["data_points", "console"])
def test_a_sink_that_fails_is_counted_and_the_rest_is_written(sink: str) -> None:
    rig = Rig()
    getattr(rig.ports, sink).fault = OSError(sink)
    rig.begin().finish(200, "complete")
    assert dict(rig.telemetry.stats().errors) == {"application": 1}
    assert rig.ports.data_points is not None
    assert len(rig.ports.data_points.points) + len(rig.events) == 1
    assert rig.observed.span("request").attributes["lumigate.outcome"] == "complete"


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (NOW_SECONDS * 10**9, "2023-11-14T22:13:20.000Z"),
        (NOW_SECONDS * 10**9 + 999_000_000, "2023-11-14T22:13:20.999Z"),
        (0, "1970-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_is_written_in_utc_to_the_millisecond(time_ns: int, text: str) -> None:
    assert rfc3339(time_ns) == text


async def test_a_routes_first_request_lays_down_the_outcomes_that_have_not_happened() -> None:
    """A failure counts from its second sample on: its series must be there, at zero, before it happens."""
    rig = make_gateway()
    await rig.send("GET", "/v1/models", body=b"")
    (data,) = [d for d in rig.gateway.telemetry.collect_deltas() if d.name == "lumigate.request.outcomes"]
    told = {
        point.attributes["lumigate.outcome"]: point.value
        for point in data.points
        if isinstance(point, NumberPoint) and point.attributes["http.route"] == "/v1/models"
    }
    assert told == dict.fromkeys(catalog.OUTCOME.values or (), 0) | {"complete": 1}


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("1.2.3", "1.2.3"),
        ("1.2.3+11111111-1111-1111-1111-111111111111", "11111111-1111-1111-1111-111111111111"),
    ],
)
def test_requests_are_counted_by_version_and_probes_are_not(version: str, told: str) -> None:
    rig = Rig(version=version)
    for route, outcome in (
        ("/v1/models", "complete"),
        ("/v1/models", "error"),
        ("/health", "complete"),
        ("", "refused"),
    ):
        scope = rig.begin()
        scope.facts.route = route
        scope.finish(200, outcome)
    points = {
        data.name: data.points
        for data in rig.telemetry.collect_deltas()
        if data.name.startswith("lumigate.version.")
    }
    counted = {
        point.attributes["lumigate.outcome"]: point.value
        for point in points["lumigate.version.outcomes"]
        if isinstance(point, NumberPoint) and point.attributes["faas.version"] == told
    }
    nothing = dict.fromkeys(catalog.OUTCOME.values or (), 0)
    assert counted == {**nothing, "complete": 1, "error": 1, "refused": 1}, (
        "each outcome is there before it happens"
    )
    (overhead,) = points["lumigate.version.overhead"]
    assert overhead.attributes == {"faas.version": told}
    assert getattr(overhead, "count", 0) == 3
