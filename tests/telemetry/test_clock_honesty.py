"""Whatever the clock does, a trace reads as it happened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lumigate.telemetry import RecordingSpan
from lumigate.telemetry.self_metrics import LATE_NS
from tests.telemetry.fakes import NOON, make_rig


def test_a_frozen_clock_keeps_the_order_of_spans() -> None:
    """Stamps that tie are one nanosecond apart, so every backend sorts them as they happened."""
    tracer = make_rig().telemetry.tracer("t")
    root = tracer.start_span("root", parent=None)
    children = [tracer.start_span(f"c{n}", parent=root) for n in range(3)]
    for child in children:
        child.end()
    root.end()
    spans = [span for span in [root, *children] if isinstance(span, RecordingSpan)]
    assert [span.start_ns - NOON for span in spans] == [0, 1, 2, 3]
    assert [span.end_ns - NOON for span in spans] == [7, 4, 5, 6]


def test_the_first_stamp_is_the_clocks_own() -> None:
    rig = make_rig()
    root = rig.telemetry.tracer("t").start_span("root", parent=None)
    rig.clock.advance(1.5)
    root.end()
    assert isinstance(root, RecordingSpan)
    assert (root.start_ns, root.end_ns) == (NOON, NOON + 1_500_000_000)


def test_a_child_that_outlives_its_parent_is_cut_there_and_says_by_how_much() -> None:
    rig = make_rig()
    tracer = rig.telemetry.tracer("t")
    root = tracer.start_span("root", parent=None)
    child = tracer.start_span("child", parent=root)
    root.end()
    rig.clock.advance(2)
    child.end()
    assert isinstance(root, RecordingSpan)
    assert isinstance(child, RecordingSpan)
    assert child.end_ns == root.end_ns
    assert isinstance(child.attributes[LATE_NS], int)
    assert child.attributes[LATE_NS] >= 1_999_000_000


steps = st.lists(
    st.tuples(
        st.sampled_from(["start", "end", "tick", "back"]),
        st.integers(0, 5),
        st.none() | st.integers(-5, 5),
    ),
    max_size=40,
)


@given(steps)
def test_children_lie_within_their_parents_and_nothing_lasts_negative_time(
    script: list[tuple[str, int, int | None]],
) -> None:
    """Property: for any order of starts and ends, jumps of the clock, and stamps given by hand."""
    rig = make_rig()
    tracer = rig.telemetry.tracer("t")
    root = tracer.start_span("root", parent=None)
    spans = [root]
    for action, which, offset in script:
        target = spans[which % len(spans)]
        given_ns = None if offset is None else rig.clock.time_ns + offset
        if action == "start":
            spans.append(tracer.start_span("s", parent=target, start_time=given_ns))
        elif action == "end" and target is not root:
            target.end(given_ns)
        elif action == "tick":
            rig.clock.time_ns += which
        else:
            rig.clock.time_ns -= which
    for span in reversed(spans):
        span.end()
    by_id = {span.span_id: span for span in spans if isinstance(span, RecordingSpan)}
    for span in by_id.values():
        assert span.end_ns >= span.start_ns
        parent = by_id.get(span.parent_id)
        if parent is not None:
            assert span.start_ns >= parent.start_ns
            assert span.end_ns <= parent.end_ns
