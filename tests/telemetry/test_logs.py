"""Log records by OpenTelemetry's Logs API."""

from __future__ import annotations

import gc
from types import FunctionType
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanContext, TraceFlags

from lumigate.telemetry.logs import clean_body
from tests.telemetry.fakes import NOON, Rig, make_rig


async def exported(rig: Rig) -> list[dict[str, Any]]:
    await rig.flush()
    return [record for sent in rig.post.of("logs") for record in sent.logs()]


async def test_a_record_carries_its_span_and_the_clocks_time() -> None:
    rig = make_rig()
    logger = rig.telemetry.logger("app", "1")
    span = rig.telemetry.tracer("t").start_span("s", parent=None)
    logger.emit(body="hello", severity_number=SeverityNumber.WARN, severity_text="WARN", span=span)
    with rig.telemetry.tracer("t").start_as_current_span("current") as current:
        logger.emit(LogRecord(body={"a": [1, None]}, event_name="event", attributes={"k": "v"}))
    first, second = await exported(rig)
    assert first["body"] == {"stringValue": "hello"}
    assert (first["severityNumber"], first["severityText"]) == (13, "WARN")
    assert first["spanId"] == f"{span.get_span_context().span_id:016x}"
    assert int(first["timeUnixNano"]) == NOON
    assert second["spanId"] == f"{current.get_span_context().span_id:016x}"
    assert second["eventName"] == "event"
    assert int(second["observedTimeUnixNano"]) == NOON


async def test_a_record_carries_the_ids_of_another_librarys_span_and_none_of_an_invalid_one() -> None:
    rig = make_rig()
    context = SpanContext(trace_id=5, span_id=6, is_remote=True, trace_flags=TraceFlags(1))
    for span in (NonRecordingSpan(context), INVALID_SPAN):
        rig.telemetry.logger("app").emit(body="x", span=span)
    first, second = await exported(rig)
    assert (first["traceId"], first["spanId"], first["flags"]) == (f"{5:032x}", f"{6:016x}", 1)
    assert {"traceId", "spanId", "flags"}.isdisjoint(second)


def test_a_record_of_text_leaves_no_cycle_for_the_garbage_collector() -> None:
    """A collection costs more than all else of a record."""
    rig = make_rig()
    logger, span = rig.telemetry.logger("app"), rig.telemetry.tracer("t").start_span("s", parent=None)
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            logger.emit(body="x", attributes={"k": "v"}, event_name="e", span=span)
        left = [it for it in gc.get_objects() if isinstance(it, FunctionType)]
        assert [it for it in left if it.__qualname__.startswith(clean_body.__name__ + ".")] == []
    finally:
        gc.enable()


async def test_where_no_destination_takes_logs_the_logger_says_so() -> None:
    rig = make_rig({"OTEL_LOGS_EXPORTER": "none"})
    logger = rig.telemetry.logger("app")
    assert not logger.enabled()
    logger.emit(body="x")
    assert await exported(rig) == []
    assert make_rig().telemetry.logger("app").enabled()


async def test_an_exception_becomes_attributes() -> None:
    rig = make_rig()
    try:
        raise KeyError("x")
    except KeyError as error:
        rig.telemetry.logger("app").emit(body="failed", exception=error)
    (record,) = await exported(rig)
    keys = {attribute["key"] for attribute in record["attributes"]}
    assert keys == {"exception.type", "exception.message", "exception.stacktrace"}


async def test_a_body_of_any_shape_is_bounded_and_sent() -> None:
    """Cyclic, deep, huge and foreign values."""
    rig = make_rig()
    cyclic: dict[str, Any] = {"n": 1}
    cyclic["self"] = cyclic
    logger = rig.telemetry.logger("app")
    bodies: list[Any] = [
        cyclic,
        "x" * 1_000_000,
        {"k": object()},
        list(range(10_000)),
        b"\xff",
        None,
        1 << 70,
    ]
    for body in bodies:
        logger.emit(body=body)
    records = await exported(rig)
    assert len(records) == 7
    assert len(records[1]["body"]["stringValue"]) == 8192


async def test_odd_arguments_are_counted_and_the_application_goes_on() -> None:
    rig = make_rig(strict=False)
    odd: Any = object()
    rig.telemetry.logger("app").emit(body="x", severity_number=odd)
    rig.telemetry.logger("app").emit(body="y", attributes=odd, event_name=odd)
    assert len(await exported(rig)) == 1
    assert rig.telemetry.stats().errors == {"log": 1}


async def test_errors_outlive_ordinary_records_in_a_full_queue() -> None:
    rig = make_rig({"OTEL_BLRP_MAX_QUEUE_SIZE": "3"})
    logger = rig.telemetry.logger("app")
    logger.emit(body="error", severity_number=SeverityNumber.ERROR)
    for n in range(10):
        logger.emit(body=f"info {n}", severity_number=SeverityNumber.INFO)
    bodies = [record["body"]["stringValue"] for record in await exported(rig)]
    assert bodies == ["error", "info 8", "info 9"]
    assert rig.telemetry.stats().dropped == {("logs", "queue_full"): 8}


async def test_a_body_that_holds_itself_many_times_over_ends() -> None:
    """Bounded in all, not in each level alone: a list of lists of itself would be 128^8 values."""
    rig = make_rig()
    body: list[Any] = []
    body.extend([body] * 128)
    rig.telemetry.logger("l").emit(body=body)
    await rig.flush()
    assert len(rig.post.of("logs")[0].body) < 20_000
