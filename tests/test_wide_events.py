"""Where wide events go, by setting: the console's line and the log record say the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lumigate import catalog
from lumigate.config import Settings
from lumigate.errors import ConfigurationError
from lumigate.wide_events import WideEvents
from tests.fakes import (
    ENVIRON,
    GatewayUnderTest,
    fake_ports,
    json_answer,
    make_gateway,
    make_settings,
)
from tests.gateway.rig import EXPORT, with_upstream
from tests.telemetry.fakes import NOON, Rig, make_rig

OWN = {"time", "trace_id", "span_id"}
LOGGED: dict[str, Any] = {
    **EXPORT,
    "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    "WIDE_EVENT_SINKS": "console,otlp",
}
READ = {"stringValue": str, "intValue": int, "doubleValue": float, "boolValue": bool}


async def records(rig: GatewayUnderTest) -> list[dict[str, Any]]:
    """The log records that were exported."""
    await rig.gateway.flush(rig.ports)
    return [
        record
        for url, body in zip(rig.ports.post.urls, rig.ports.post.bodies, strict=True)
        if url.endswith("/v1/logs")
        for resource in json.loads(body)["resourceLogs"]
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
    ]


def attributes(record: dict[str, Any]) -> dict[str, Any]:
    """As Python has them."""
    pairs = ((pair["key"], pair["value"].popitem()) for pair in record["attributes"])
    return {key: READ[kind](value) for key, (kind, value) in pairs}


def values(**more: Any) -> dict[str, Any]:
    return {"event": "request", "level": "info", "tenant": "acme", **more}


async def logged(rig: Rig, sinks: tuple[str, ...] = ("otlp",), **more: Any) -> list[dict[str, Any]]:
    """What the engine exports of one event."""
    events = WideEvents(sinks, rig.telemetry.logger("lumigate"))
    span = rig.telemetry.tracer("t").start_span("s", parent=None)
    events.log(values(**more), "GET /x 200 complete", time_ns=NOON, span=span)
    await rig.flush()
    return [record for sent in rig.post.of("logs") for record in sent.logs()]


async def test_the_record_and_the_line_say_the_same() -> None:
    rig = with_upstream(**LOGGED)
    await rig.send()
    (event,) = rig.events
    (record,) = await records(rig)
    assert attributes(record) == {k: v for k, v in event.items() if v != "" and k not in OWN}
    assert record["eventName"] == "lumigate.request"
    assert record["body"] == {"stringValue": "POST /v1/chat/completions 200 complete"}
    assert (record["traceId"], record["spanId"]) == (event["trace_id"], event["span_id"])
    assert (record["severityNumber"], record["severityText"]) == (9, "info")


def test_a_field_is_an_attribute_or_the_records_own() -> None:
    assert {field.name for field in catalog.WIDE_EVENT} == OWN | set(catalog.WIDE_EVENT_ATTRIBUTES)


async def test_severity_follows_the_outcome() -> None:
    rig = with_upstream(json_answer({"error": {}}, status=500), **LOGGED, RETRY_ATTEMPTS="1")
    await rig.send()
    (record,) = await records(rig)
    assert (record["severityNumber"], attributes(record)["outcome"]) == (13, "upstream_error")


@pytest.mark.parametrize(("level", "severity"), [("info", 9), ("warn", 13), ("error", 17)])
async def test_the_level_is_the_severity(level: str, severity: int) -> None:
    (record,) = await logged(make_rig(), level=level)
    assert (record["severityNumber"], record["severityText"]) == (severity, level)


async def test_the_cron_run_and_a_missing_module_are_records_too() -> None:
    rig = make_gateway(**LOGGED)
    await rig.gateway.scheduled(rig.ports, "* * * * *")
    (cron,) = [record for record in await records(rig) if record["eventName"] == "lumigate.cron"]
    (line,) = rig.ports.console.events("cron")
    assert cron["traceId"] == line["trace_id"]
    assert attributes(cron)["environment"] == line["environment"]


async def test_every_name_of_a_record_is_declared() -> None:
    declared = {event.name for event in catalog.LOG_EVENTS}
    (described,) = [field.description for field in catalog.WIDE_EVENT if field.name == "event"]
    for event in ("request", "cron", "import_failure"):
        assert f"`{event}`" in described
        (record,) = await logged(make_rig(), event=event)
        assert record["eventName"] in declared


async def test_times_are_arrival_and_now() -> None:
    rig = make_rig()
    rig.clock.advance(5)
    (record,) = await logged(rig)
    assert int(record["timeUnixNano"]) == NOON
    assert int(record["observedTimeUnixNano"]) == NOON + 5_000_000_000


@pytest.mark.parametrize("tenant", ["Grüße", "x" * 100_000, "\ud800", 'a\nb"c\\'])
async def test_whatever_a_tenant_is_called_the_record_goes_out(tenant: str) -> None:
    rig = make_rig()
    (record,) = await logged(rig, tenant=tenant)
    (told,) = [pair["value"]["stringValue"] for pair in record["attributes"] if pair["key"] == "tenant"]
    assert told
    assert len(told) <= 8192
    assert dict(rig.telemetry.stats().errors) == {}


@pytest.mark.parametrize(
    ("setting", "line", "record"),
    [
        (None, True, False),
        ("console,otlp", True, True),
        ("otlp", False, True),
        ("console", True, False),
        ("none", False, False),
    ],
)
async def test_each_sink_is_on_or_off(setting: str | None, line: bool, record: bool) -> None:
    logged = {name: value for name, value in LOGGED.items() if name != "WIDE_EVENT_SINKS"}
    rig = with_upstream(**logged, **({} if setting is None else {"WIDE_EVENT_SINKS": setting}))
    await rig.send()
    assert len(rig.events) == line
    assert len(await records(rig)) == record
    assert rig.observed.total("lumigate.request.outcomes", lumigate__outcome="complete") == 1


@pytest.mark.parametrize("setting", ["stdout", "console,loki", "none,otlp"])
def test_a_sink_that_nobody_knows_stops_the_start(setting: str) -> None:
    with pytest.raises(ConfigurationError, match="WIDE_EVENT_SINKS"):
        Settings.from_environ({**ENVIRON, "WIDE_EVENT_SINKS": setting})


async def test_where_nothing_takes_logs_no_record_is_made() -> None:
    rig = with_upstream(**LOGGED, OTEL_LOGS_EXPORTER="none")
    assert not rig.gateway.telemetry.logger("lumigate").enabled()
    await rig.send()
    assert await records(rig) == []
    assert len(rig.events) == 1


async def test_a_console_that_fails_costs_no_record() -> None:
    rig = with_upstream(**LOGGED)
    rig.ports.console.fault = OSError("console")
    await rig.send()
    assert len(await records(rig)) == 1


async def test_records_are_dropped_and_counted_as_every_other_is_errors_last() -> None:
    rig = make_rig({"OTEL_BLRP_MAX_QUEUE_SIZE": "2", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "2"})
    events = WideEvents(("otlp",), rig.telemetry.logger("lumigate"))
    span = rig.telemetry.tracer("t").start_span("s", parent=None)
    for number, level in enumerate(("error", "info", "info", "warn")):
        events.log(values(level=level, attempts=number), "", time_ns=NOON, span=span)
    assert rig.telemetry.stats().dropped["logs", "queue_full"] == 2
    await rig.flush()
    kept = [record for sent in rig.post.of("logs") for record in sent.logs()]
    assert [attributes(record)["attempts"] for record in kept] == [0, 3]


def test_the_console_is_the_default_and_only_what_is_asked_for_is_printed() -> None:
    assert make_settings().wide_event_sinks == ("console",)
    ports, rig = fake_ports(), make_rig()
    WideEvents(("otlp",), rig.telemetry.logger("l")).print(ports, values())
    assert ports.console.lines == []
