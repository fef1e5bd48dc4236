"""Analytics Engine points and wide events always fit, and say what they had to leave out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.telemetry.schema import EventField, PointColumn
from lumigate.telemetry.sinks.analytics_engine import PointLayout, build_point
from lumigate.telemetry.sinks.wide_event import MAX_CHARS, TRUNCATED, build_event

COLUMNS = (
    PointColumn(column="index1", name="tenant", description=""),
    PointColumn(column="blob1", name="route", description=""),
    PointColumn(column="blob3", name="model", description=""),
    PointColumn(column="double1", name="count", description=""),
    PointColumn(column="double2", name="cost", description=""),
)
FIELDS = tuple(
    EventField(name=name, description="") for name in ("event", "route", "prompt", "answer", "status")
)


def column(name: str, place: str) -> PointColumn:
    return PointColumn(column=place, name=name, description="")


def test_a_point_puts_each_value_in_its_column() -> None:
    point = build_point(
        COLUMNS, {"tenant": "acme", "route": "/v1", "model": "m", "count": 2, "cost": 0.5, "x": 1}
    )
    assert point.index == "acme"
    assert point.blobs == ("/v1", "", "m")
    assert point.doubles == (2.0, 0.5)


def test_missing_and_odd_values_are_empty_or_zero() -> None:
    odd: dict[str, Any] = {"route": True, "model": object, "count": float("nan"), "cost": "9"}
    point = build_point(COLUMNS, odd)
    assert (point.index, point.blobs[0], point.doubles) == ("", "true", (0.0, 0.0))
    assert build_point(COLUMNS, {"count": True, "cost": 10**400}).doubles == (1.0, 0.0)


def test_the_index_is_cut_at_96_bytes_between_characters() -> None:
    index = build_point(COLUMNS, {"tenant": "é" * 100}).index
    assert index == "é" * 48


def test_blobs_over_the_limit_are_cut_from_the_longest() -> None:
    """Short ones stay whole."""
    layout = PointLayout([column(f"b{n}", f"blob{n}") for n in range(1, 21)])
    values = {f"b{n}": "s" * 100 for n in range(1, 21)} | {"b1": "x" * 16_000, "b2": "é" * 6_000}
    blobs = layout.build(values).blobs
    assert sum(len(blob.encode()) for blob in blobs) <= 16_000
    assert all(blob == "s" * 100 for blob in blobs[2:])
    assert len(blobs[0]) == 7_100
    assert len(blobs[1]) == 3_550


@pytest.mark.parametrize("place", ["blob21", "double0", "index2", "text1", "blob01", ""])
def test_a_column_that_does_not_exist_is_refused_when_it_is_declared(place: str) -> None:
    with pytest.raises(ValueError, match="there is no column"):
        PointLayout([column("a", place)])
    with pytest.raises(ValueError, match="taken twice"):
        PointLayout([column("a", "blob1"), column("b", "blob1")])


texts = st.text(st.characters(), max_size=50) | st.text("é😀\ud800", min_size=1000, max_size=3000)


@given(st.dictionaries(st.sampled_from([f"b{n}" for n in range(20)]), texts), texts)
def test_any_values_make_a_point_within_the_limits(values: dict[str, str], tenant: str) -> None:
    columns = [column(f"b{n}", f"blob{n + 1}") for n in range(20)] + [column("tenant", "index1")]
    point = PointLayout(columns).build({**values, "tenant": tenant})
    assert sum(len(blob.encode()) for blob in point.blobs) <= 16_000
    assert len(point.index.encode()) <= 96


def test_an_event_is_one_json_line_of_the_declared_fields_in_their_order() -> None:
    values = {"status": 200, "event": "request", "route": None, "secret": "x", "prompt": "a\nb é"}
    line = build_event(FIELDS, values)
    assert line == '{"event":"request","prompt":"a\\nb é","status":200}'


def test_a_long_event_is_cut_from_the_longest_texts_and_says_so() -> None:
    values = {
        "event": "request",
        "prompt": "p" * 30_000,
        "answer": "\n" * 20_000,
        "route": "r" * 1000,
        "status": 1,
    }
    line = build_event(FIELDS, values)
    event = json.loads(line)
    assert len(line) <= MAX_CHARS
    assert len(line) > MAX_CHARS - 200
    assert sorted(event[TRUNCATED]) == ["answer", "prompt"]
    assert (event["route"], event["status"]) == ("r" * 1000, 1)


@given(
    st.dictionaries(
        st.sampled_from([field.name for field in FIELDS]),
        st.text()
        | st.floats()
        | st.integers()
        | st.binary()
        | st.lists(st.text() | st.floats() | st.none())
        | st.text('"\\\n\x00é😀\ud800', min_size=500, max_size=5000),
    ),
    st.integers(200, MAX_CHARS),
)
def test_any_values_make_a_line_that_parses_and_fits(values: dict[str, Any], limit: int) -> None:
    """Property: NaN, control characters and surrogates included."""
    line = build_event(FIELDS, values, limit)
    assert len(line) <= limit
    assert "\n" not in line
    line.encode()
    json.loads(line, parse_constant=pytest.fail)
