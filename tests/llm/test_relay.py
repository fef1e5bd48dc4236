from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.http import sse
from lumigate.llm.call import ModelCall
from lumigate.llm.chat import ChatRequest
from lumigate.llm.relay import StreamRelay
from lumigate.llm.router import Router
from lumigate.ports import StreamInterrupted
from tests.fakes import (
    CHAT_BODY,
    DONE_EVENT,
    STREAM,
    UPSTREAM_URL,
    USAGE_EVENT,
    FakeAnswer,
    Piece,
    ScopeUnderTest,
    chunk,
    chunkings,
    event,
    make_scope,
    make_settings,
    settle,
    stream_answer,
)

WHOLE = b"".join(STREAM)
STRIPPED = WHOLE.replace(USAGE_EVENT, b"")
HELLO, STOP = STREAM[0], STREAM[2]


@dataclass(slots=True, kw_only=True)
class Rig:
    """A relay over a scripted stream, and what was kept of it for the cache."""

    around: ScopeUnderTest
    relay: StreamRelay
    answer: FakeAnswer
    kept: list[bytes] = field(default_factory=list)

    @property
    def ending(self) -> tuple[int, str, str]:
        (ending,) = self.around.recorder.endings
        return ending

    @property
    def result(self) -> str:
        (labels,) = self.around.observed.labels("lumigate.llm.attempts")
        return str(labels["lumigate.llm.result"])

    async def drain(self) -> bytes:
        return b"".join([piece async for piece in self.relay.events()])


async def make_rig(*pieces: Piece, strip_usage: bool = True, keep_bytes: int = 100_000) -> Rig:
    around = make_scope()
    answer = stream_answer(*pieces)
    around.ports.fetch.script(UPSTREAM_URL, answer)
    settings = make_settings()
    target = Router(settings).targets["fast"][0]
    call = ModelCall(around.scope, target, ChatRequest.parse({**CHAT_BODY, "stream": True}))
    response = await call.send(60, 30)
    around.scope.facts.status = 200
    kept: list[bytes] = []
    relay = StreamRelay(
        call,
        response,
        strip_usage=strip_usage,
        keep_bytes=keep_bytes,
        idle_timeout_seconds=30,
        on_complete=kept.append,
    )
    return Rig(around=around, relay=relay, answer=answer, kept=kept)


def error_in(passed: bytes) -> dict[str, Any]:
    """The error object of the last event."""
    *_, last = sse.split_events(passed)
    return cast("dict[str, Any]", json.loads(sse.event_data(last))["error"])


# --- complete


async def test_a_stream_is_passed_on_as_it_comes_and_kept_when_it_is_complete() -> None:
    rig = await make_rig(*STREAM)
    assert await rig.drain() == STRIPPED
    assert rig.kept == [STRIPPED]
    assert rig.ending == (200, "complete", "")
    assert rig.result == "ok"
    facts = rig.around.scope.facts
    assert (facts.input_tokens, facts.output_tokens) == (1000, 500)
    assert facts.response_bytes == len(STRIPPED)
    span = rig.around.observed.span("chat gpt-4o-mini")
    assert span.status.is_unset
    assert span.attributes["gen_ai.response.finish_reasons"] == ["stop"]


async def test_usage_is_passed_on_to_a_caller_who_asked_for_it() -> None:
    rig = await make_rig(*STREAM, strip_usage=False)
    assert await rig.drain() == WHOLE


@given(data=st.data())
async def test_however_a_stream_arrives_the_same_bytes_go_out(data: st.DataObject) -> None:
    """Cut in the middle of characters, of line ends, of words."""
    rig = await make_rig(*data.draw(chunkings(WHOLE)))
    assert await rig.drain() == STRIPPED
    assert rig.kept == [STRIPPED]
    assert rig.ending == (200, "complete", "")


async def test_each_event_goes_out_before_the_next_has_come() -> None:
    log: list[str] = []
    pieces: list[Piece] = []
    for number, piece in enumerate(STREAM[:3]):
        pieces += [cast("Piece", lambda number=number: log.append(f"in {number}")), piece]
    rig = await make_rig(*pieces, DONE_EVENT)
    async for piece in rig.relay.events():
        log.append("out" if piece else "nothing")  # noqa: PERF401  # its place between the others is the point
    assert log == ["in 0", "out", "in 1", "out", "in 2", "out", "out"]


async def test_the_time_to_the_first_event_is_told() -> None:
    around_clock: list[Any] = []
    rig = await make_rig(lambda: around_clock[0].advance(0.25), *STREAM)
    around_clock.append(rig.around.ports.clock)
    await rig.drain()
    assert rig.around.scope.facts.first_chunk_ns == 250_000_000
    assert rig.around.observed.span("chat gpt-4o-mini").attributes["lumigate.llm.first_chunk_ms"] == 250
    assert rig.around.observed.total("gen_ai.client.inference.time_to_first_chunk") == 1


async def test_a_finished_answer_without_done_is_complete_and_gets_its_done() -> None:
    rig = await make_rig(HELLO, STOP)
    assert await rig.drain() == HELLO + STOP + DONE_EVENT
    assert rig.kept == [HELLO + STOP + DONE_EVENT]
    assert rig.ending == (200, "complete", "")


async def test_a_reset_after_done_spoils_nothing() -> None:
    rig = await make_rig(*STREAM, StreamInterrupted("connection"))
    assert await rig.drain() == STRIPPED
    assert rig.ending == (200, "complete", "")
    assert rig.result == "ok"


async def test_what_comes_after_done_is_not_passed_on() -> None:
    rig = await make_rig(*STREAM, HELLO)
    assert await rig.drain() == STRIPPED


async def test_a_stream_too_long_to_keep_is_passed_on_all_the_same() -> None:
    rig = await make_rig(*STREAM, keep_bytes=len(STRIPPED) - 1)
    assert await rig.drain() == STRIPPED
    assert rig.kept == []
    assert rig.ending == (200, "complete", "")


async def test_events_that_come_twice_harm_nobody() -> None:
    rig = await make_rig(HELLO, HELLO, STOP, STOP, USAGE_EVENT, USAGE_EVENT, DONE_EVENT, DONE_EVENT)
    passed = await rig.drain()
    assert passed.endswith(STOP + DONE_EVENT)
    assert rig.ending == (200, "complete", "")


async def test_blank_lines_at_the_end_are_not_half_an_event() -> None:
    rig = await make_rig(HELLO, STOP, b"\n", b"\n\n\n")
    await rig.drain()
    assert rig.ending == (200, "complete", "")


# --- not complete


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (HELLO,),
        (HELLO, b'data: {"id":"chatcmpl-1","choi'),
        (HELLO, STOP, b'data: {"id":"chatcmpl-1"'),
        (HELLO, USAGE_EVENT),
    ],
    ids=[
        "nothing",
        "one event",
        "half an event",
        "half an event after the end",
        "no finish",
    ],
)
async def test_a_stream_that_stops_without_saying_so_is_truncated(pieces: tuple[bytes, ...]) -> None:
    rig = await make_rig(*pieces)
    passed = await rig.drain()
    assert rig.ending == (200, "truncated", "truncated")
    assert rig.result == "truncated"
    assert rig.kept == []
    assert error_in(passed)["code"] == "upstream_bad_answer"
    assert DONE_EVENT not in passed
    assert rig.around.observed.span("chat gpt-4o-mini").attributes["error.type"] == "truncated"


async def test_half_an_event_never_reaches_the_client() -> None:
    rig = await make_rig(HELLO, b'data: {"secret half')
    assert b"secret half" not in await rig.drain()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (StreamInterrupted("timeout"), "upstream_timeout"),
        (StreamInterrupted("connection"), "upstream_unreachable"),
    ],
)
async def test_a_stall_or_a_reset_ends_in_an_error_event(fault: Exception, code: str) -> None:
    rig = await make_rig(HELLO, STOP, fault)
    passed = await rig.drain()
    assert passed.startswith(HELLO + STOP)
    error = error_in(passed)
    assert error["code"] == code
    assert error["trace_id"] == rig.around.scope.trace_id
    assert rig.ending == (200, "upstream_error", code)
    assert rig.result == code
    assert rig.kept == []
    assert rig.answer.cancelled
    assert not rig.around.observed.span("chat gpt-4o-mini").status.is_unset


async def test_an_error_event_of_the_provider_goes_out_as_it_is_and_is_the_outcome() -> None:
    failed = event({"error": {"message": "overloaded"}})
    rig = await make_rig(HELLO, failed)
    assert await rig.drain() == HELLO + failed
    assert rig.ending == (200, "upstream_error", "upstream_failed")
    assert rig.result == "upstream_failed"
    assert rig.kept == []


async def test_an_error_event_followed_by_done_is_still_a_failure() -> None:
    rig = await make_rig(HELLO, event({"error": {"message": "overloaded"}}), DONE_EVENT)
    await rig.drain()
    assert rig.ending == (200, "upstream_error", "upstream_failed")
    assert rig.kept == []


async def test_an_event_without_end_is_given_up() -> None:
    rig = await make_rig(HELLO, *([b"x" * 1_000_000] * 5), HELLO)
    passed = await rig.drain()
    assert error_in(passed)["code"] == "upstream_bad_answer"
    assert rig.ending == (200, "upstream_error", "upstream_bad_answer")
    assert rig.answer.cancelled


async def test_a_defect_of_ours_tells_the_client_little_and_the_trace_everything() -> None:
    rig = await make_rig(HELLO, ZeroDivisionError("secret detail"))
    passed = await rig.drain()
    assert error_in(passed)["code"] == "internal_error"
    assert b"secret detail" not in passed
    assert rig.ending == (200, "error", "internal_error")
    (exception,) = rig.around.observed.span("chat gpt-4o-mini").events
    assert exception.attributes["exception.message"] == "secret detail"


# --- the client leaves


async def test_a_client_that_leaves_stops_the_provider() -> None:
    """The platform closes the generator."""
    rig = await make_rig(*STREAM)
    events = cast("AsyncGenerator[bytes]", rig.relay.events())
    assert await anext(events) == HELLO
    await events.aclose()
    assert rig.ending == (200, "client_abort", "client_abort")
    assert rig.result == "client_abort"
    assert rig.answer.cancelled
    assert rig.kept == []


async def test_a_pump_cancelled_while_it_waits_for_more_is_a_client_that_left() -> None:
    rig = await make_rig(HELLO, asyncio.Event())
    task = asyncio.create_task(rig.drain())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rig.ending == (200, "client_abort", "client_abort")
    assert rig.answer.cancelled


async def test_the_hang_up_may_be_told_before_the_stream_notices() -> None:
    """The platform fires `disconnect`; the read in progress then fails, and says nothing new."""
    hang_up = asyncio.Event()
    rig = await make_rig(HELLO, hang_up, HELLO)
    task = asyncio.create_task(rig.drain())
    await settle()
    rig.around.scope.abort()
    hang_up.set()
    await task
    assert rig.ending == (200, "client_abort", "client_abort")
    assert rig.result == "client_abort"


async def test_what_a_client_who_left_has_cost_is_counted() -> None:
    """Usage that had come by then."""
    rig = await make_rig(HELLO, event(chunk("x", usage={"prompt_tokens": 9, "completion_tokens": 1})), HELLO)
    events = cast("AsyncGenerator[bytes]", rig.relay.events())
    await anext(events)
    await anext(events)
    await events.aclose()
    assert rig.around.scope.facts.input_tokens == 9


@given(cut=st.integers(0, len(WHOLE)), data=st.data())
async def test_a_stream_cut_anywhere_is_complete_or_truncated_and_only_whole_events_go_out(
    cut: int, data: st.DataObject
) -> None:
    """The truth depends on where it was cut, not on how its chunks came. An event is whole without its blank line."""
    part = WHOLE[:cut]
    rig = await make_rig(*data.draw(chunkings(part)), strip_usage=False)
    passed = await rig.drain()
    status, outcome, _ = rig.ending
    ends = [sum(map(len, STREAM[:count])) for count in range(len(STREAM) + 1)]
    end = next((end for end in ends if end - 2 <= cut <= end), None)
    finished = STOP in (part if end is None else WHOLE[:end])
    assert (status, outcome) == (200, "complete" if finished and end is not None else "truncated")
    assert passed.endswith(b"\n\n")
    assert bool(rig.kept) == (outcome == "complete")
