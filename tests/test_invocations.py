"""Invocations that died: told once, with what is known, and never twice."""

from __future__ import annotations

from typing import Any

import pytest

from lumigate.catalog import LOST_INVOCATIONS
from lumigate.invocations import MAX_LOGS, Invocation, LogLine, Thrown, record
from lumigate.telemetry import Telemetry, TelemetryConfig
from tests.fakes import FakeClock, FakeEntropy

START_MS = 1_700_000_000_000.0
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def invocation(**changes: Any) -> Invocation:
    values: dict[str, Any] = {
        "script": "lumigate",
        "entrypoint": "Default",
        "version": "v1",
        "outcome": "exceededCpu",
        "kind": "fetch",
        "started_ms": START_MS,
        "wall_ms": 250.0,
        "cpu_ms": 30_000.0,
        "method": "POST",
        "url": "https://gateway.example.com/v1/chat/completions?key=secret",
        "headers": {},
    }
    return Invocation(**{**values, **changes})


@pytest.fixture
def spans() -> list[Any]:
    return []


@pytest.fixture
def telemetry(spans: list[Any]) -> Telemetry:
    class Keep:
        def on_start(self, span: Any, parent_context: Any = None) -> None: ...

        def on_end(self, span: Any) -> None:
            spans.append(span)

        def shutdown(self) -> None: ...

        def force_flush(self, timeout_millis: int = 0) -> bool:
            return True

    return Telemetry(
        TelemetryConfig(),
        clock=FakeClock(START_MS / 1e3 + 5),
        entropy=FakeEntropy(),
        metrics=(LOST_INVOCATIONS,),
        span_processors=[Keep()],
        strict=True,
    )


def counted(telemetry: Telemetry) -> dict[tuple[str, str], float]:
    return {
        (str(p.attributes["lumigate.worker.outcome"]), str(p.attributes["lumigate.worker.reported"])): p.value  # type: ignore[union-attr]
        for data in telemetry.collect_deltas()
        if data.name == LOST_INVOCATIONS.name
        for p in data.points
    }


def test_a_request_that_died_is_a_failed_span_from_its_arrival_to_its_end(
    telemetry: Telemetry, spans: list[Any]
) -> None:
    assert record(telemetry, [invocation()]) == 1
    (span,) = spans
    assert span.name == "lost fetch"
    assert (span.start_time, span.end_time) == (int(START_MS * 1e6), int((START_MS + 250) * 1e6))
    assert span.status.status_code.name == "ERROR"
    assert span.attributes["error.type"] == "exceededCpu"
    assert span.attributes["url.path"] == "/v1/chat/completions"
    assert "secret" not in str(span.attributes)
    assert counted(telemetry) == {("exceededCpu", "no"): 1}


def test_it_is_counted_against_its_version(telemetry: Telemetry) -> None:
    record(telemetry, [invocation(version="one"), invocation(version="two"), invocation(version="two")])
    (data,) = [data for data in telemetry.collect_deltas() if data.name == LOST_INVOCATIONS.name]
    assert {p.attributes["faas.version"]: p.value for p in data.points} == {"one": 1, "two": 2}  # type: ignore[union-attr]


def test_it_belongs_to_the_callers_trace(telemetry: Telemetry, spans: list[Any]) -> None:
    record(telemetry, [invocation(headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})])
    assert format(spans[0].context.trace_id, "032x") == TRACE


def test_what_it_threw_is_an_event_of_the_span(telemetry: Telemetry, spans: list[Any]) -> None:
    thrown = Thrown(time_ms=START_MS + 300, name="RangeError", message="too deep", stack="at wasm")
    record(telemetry, [invocation(outcome="exception", exceptions=(thrown,))])
    (event,) = spans[0].events
    assert (event.name, event.attributes["exception.type"]) == ("exception", "RangeError")
    assert spans[0].end_time == int((START_MS + 300) * 1e6)


def test_one_that_told_its_own_story_is_counted_and_not_told_again(
    telemetry: Telemetry, spans: list[Any]
) -> None:
    line = LogLine(time_ms=START_MS + 1, level="log", text='{"event":"request","status":200}')
    assert record(telemetry, [invocation(outcome="canceled", logs=(line,))]) == 1
    assert spans == []
    assert counted(telemetry) == {("canceled", "yes"): 1}


def test_one_that_ended_well_is_nothing_to_tell(telemetry: Telemetry, spans: list[Any]) -> None:
    assert record(telemetry, [invocation(outcome="ok")]) == 0
    assert spans == []


def test_an_outcome_nobody_has_heard_of_is_recorded_as_other(telemetry: Telemetry) -> None:
    record(telemetry, [invocation(outcome="meteorite")])
    assert counted(telemetry) == {("other", "no"): 1}


def test_a_talkative_one_is_bounded(telemetry: Telemetry) -> None:
    lines = tuple(LogLine(time_ms=START_MS, level="log", text=str(number)) for number in range(500))
    record(telemetry, [invocation(logs=lines)])
    assert telemetry.stats().errors == {}
    assert MAX_LOGS < 500


@pytest.mark.parametrize("kind", ["cron", "alarm", "rpc", "other"])
def test_one_that_was_no_request_is_named_by_its_kind(
    telemetry: Telemetry, spans: list[Any], kind: str
) -> None:
    record(telemetry, [invocation(kind=kind, method="", url="")])
    assert spans[0].name == f"lost {kind}"


def test_an_id_in_its_path_is_not_told(telemetry: Telemetry, spans: list[Any]) -> None:
    """The id of a session is a capability."""
    url = f"https://gateway.example.com/sessions/ses_{'A' * 43}/messages"
    record(telemetry, [invocation(url=url)])
    told = dict(spans[0].attributes)
    assert told["url.path"] == told["http.route"] == "/sessions/{id}/messages"
