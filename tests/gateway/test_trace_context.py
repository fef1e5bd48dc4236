"""`traceparent` and its kin: continued where they hold, and never an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import make_gateway
from tests.gateway.rig import nothing_was_misused

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


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
