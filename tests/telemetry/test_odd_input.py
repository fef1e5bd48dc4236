"""Values of the wrong type or out of range, where an application hands them in: they cost the rest nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.telemetry.encoders import load_encoder
from lumigate.telemetry.otlp.packing import UNLIMITED
from lumigate.telemetry.records import LogRecord, Resource, Scope
from tests.telemetry.fakes import NOON, make_rig

PROTOCOLS = ("http/json", "http/protobuf")
ODD = (1.2, b"1.2", ["1", "2"], {"major": 1}, object(), "\ud800", 7)
BEYOND = (-5, 1 << 63, 1 << 70)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("odd", ODD)
async def test_a_scope_of_odd_parts_stops_no_export(protocol: str, odd: Any) -> None:
    """Once such a batch failed at every try and was put back, with everything behind it, for good."""
    rig = make_rig({"OTEL_EXPORTER_OTLP_PROTOCOL": protocol})
    telemetry = rig.telemetry
    telemetry.tracer("odd", odd).start_span("odd", parent=None).end()
    telemetry.tracer_provider.get_tracer("odd", None, odd).start_span("odder", parent=None).end()
    telemetry.logger("odd", odd).emit(body="odd")
    telemetry.meter_provider.get_meter("odd", odd, odd).create_counter("odd").add(1)
    await rig.flush()
    assert {sent.signal for sent in rig.post.sent} == {"traces", "logs", "metrics"}
    stats = telemetry.stats()
    assert [queue.items for queue in stats.queues] == [0, 0, 0]
    assert (stats.dropped, stats.errors) == ({}, {})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_record_whose_scope_cannot_be_written_is_left_out_alone(protocol: str) -> None:
    unreadable: Any = object()
    records = [
        LogRecord(scope=scope, time_ns=NOON, observed_ns=NOON, body="x")
        for scope in (Scope("fine"), Scope("odd", unreadable), Scope("fine too"))
    ]
    packed = load_encoder(protocol).encode_writable["logs"](Resource(attributes={}), records, UNLIMITED)
    assert (sum(items for _, items in packed.payloads), packed.invalid) == (2, 1)


async def test_what_an_encoder_cannot_write_at_all_is_counted_and_not_tried_for_ever() -> None:
    def broken(protocol: str) -> Any:
        encoder = load_encoder(protocol)

        def fails(*_: Any) -> Any:
            raise TypeError("no")

        encoder.encode["traces"] = encoder.encode_writable["traces"] = fails
        return encoder

    rig = make_rig(encoder=broken)
    await rig.request()
    await rig.flush()
    stats = rig.telemetry.stats()
    assert stats.dropped == {("traces", "encode_failed"): 2}
    assert stats.queues[0].items == 0


@pytest.mark.parametrize("moment", BEYOND)
async def test_a_time_that_is_none_makes_no_collector_refuse_the_rest(moment: int) -> None:
    """A number below 0 or above 64 bits is malformed: the whole request with it would be answered 400."""
    rig = make_rig({"LUMIGATE_TRACES_SLOW_MS": "0"}, strict=False)
    tracer = rig.telemetry.tracer("t")
    span = tracer.start_span("s", parent=None, start_time=moment)
    span.add_event("e", timestamp=moment)
    tracer.start_span("child", parent=span, start_time=moment).end(moment)
    span.end(moment)
    rig.telemetry.logger("l").emit(body="x", timestamp=moment, observed_timestamp=moment)
    await rig.flush()
    spans, records = rig.post.of("traces")[0].spans(), rig.post.of("logs")[0].logs()
    times = [span[name] for span in spans for name in ("startTimeUnixNano", "endTimeUnixNano")]
    times += [event["timeUnixNano"] for span in spans for event in span.get("events", [])]
    times += [record[name] for record in records for name in ("timeUnixNano", "observedTimeUnixNano")]
    assert len(times) == 7
    assert all(NOON <= int(time) < NOON + 1_000_000_000 for time in times)


@pytest.mark.parametrize("moment", BEYOND)
async def test_the_root_of_an_unsampled_trace_takes_no_such_time_either(moment: int) -> None:
    rig = make_rig({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1e-9"}, strict=False)
    span = rig.telemetry.tracer("t").start_span("s", parent=None, start_time=moment)
    span.keep("a test")
    span.end(moment)
    await rig.flush()
    (sent,) = rig.post.of("traces")[0].spans()
    assert NOON <= int(sent["startTimeUnixNano"]) <= int(sent["endTimeUnixNano"]) < NOON + 1_000_000_000


@given(
    headers=st.one_of(st.none(), st.integers(), st.lists(st.text()), st.dictionaries(st.text(), st.text()))
)
def test_headers_of_any_kind_give_a_context(headers: Any) -> None:
    assert make_rig().telemetry.extract(headers) is not None
