from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.http.sse import EventSplitter, EventTooLarge, event_data, split_events
from tests.fakes import chunkings

LINES = st.sampled_from(
    [b"data: x", b"data:", b"data: {}", b": ping", b"event: a", b"id: 1", "data: ü🌍".encode()]
)
ENDS = st.sampled_from([b"\n", b"\r\n"])
EVENTS = st.builds(
    lambda lines, end, extra: end.join(lines) + end * (2 + extra),
    st.lists(LINES, min_size=1, max_size=3),
    ENDS,
    st.integers(0, 2),
)
STREAMS = st.builds(
    lambda events, rest: b"".join(events) + rest,
    st.lists(EVENTS, max_size=5),
    st.sampled_from([b"", b"data: ha"]),
)


def feed(chunks: list[bytes]) -> tuple[list[bytes], bytes]:
    splitter = EventSplitter()
    return [block for chunk in chunks if (block := splitter.feed(chunk))], splitter.rest


@given(stream=STREAMS, data=st.data())
def test_however_a_stream_is_cut_the_same_events_come_out(stream: bytes, data: st.DataObject) -> None:
    chunks = data.draw(chunkings(stream))
    blocks, rest = feed(chunks)
    whole, whole_rest = feed([stream])
    out = b"".join(blocks)
    assert stream.startswith(out)
    assert stream[len(out) :].lstrip(b"\r\n") == rest

    def events(parts: list[bytes]) -> list[bytes]:
        return [
            event.strip(b"\r\n") for part in parts for event in split_events(part) if event.strip(b"\r\n")
        ]

    assert events(blocks) == events(whole)
    assert bool(rest) == bool(whole_rest), "whether an event was cut off depends on how the stream was cut"


@given(stream=st.binary(max_size=60) | STREAMS, data=st.data())
def test_a_block_ends_at_a_boundary_and_nothing_is_lost(stream: bytes, data: st.DataObject) -> None:
    chunks = data.draw(chunkings(stream))
    splitter = EventSplitter()
    blocks = [splitter.feed(chunk) for chunk in chunks]
    assert all(not block or block.endswith((b"\n\n", b"\n\r\n")) for block in blocks)
    assert stream.startswith(b"".join(blocks))
    assert all(b"".join(split_events(block)) == block for block in blocks)


def test_what_is_left_at_the_end_is_half_an_event() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\n\ndata: b") == b"data: a\n\n"
    assert splitter.rest == b"data: b"
    assert splitter.feed(b"\n") == b""
    assert splitter.feed(b"\n") == b"data: b\n\n"
    assert splitter.rest == b""


def test_blank_lines_between_events_are_not_half_an_event() -> None:
    splitter = EventSplitter()
    splitter.feed(b"data: a\n\n")
    splitter.feed(b"\n")
    assert not splitter.rest


def test_a_boundary_that_is_cut_in_two_is_still_one() -> None:
    assert feed([b"data: a\r\n\r", b"\ndata: b\r", b"\n\r\n"]) == (
        [b"data: a\r\n\r\n", b"data: b\r\n\r\n"],
        b"",
    )


def test_an_event_without_end_is_given_up_at_the_bound() -> None:
    splitter = EventSplitter(limit_bytes=100)
    splitter.feed(b"x" * 100)
    with pytest.raises(EventTooLarge):
        splitter.feed(b"x")


def test_many_whole_events_in_one_chunk_may_pass_the_bound_together() -> None:
    block = b"data: x\n\n" * 100
    assert EventSplitter(limit_bytes=20).feed(block) == block


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: a\n\n", b"a"),
        (b"data:a\r\n\r\n", b"a"),
        (b"data:  a\n\n", b" a"),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"data:\ndata: b\n\n", b"\nb"),
        (b": comment\nevent: x\nid: 1\ndata: a\n\n", b"a"),
        (b": ping\n\n", b""),
        (b"database: a\n\n", b""),
        ("data: ü🌍\n\n".encode(), "ü🌍".encode()),
    ],
)
def test_the_data_of_an_event_is_its_data_lines(event: bytes, data: bytes) -> None:
    assert event_data(event) == data
