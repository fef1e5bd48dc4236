"""Whatever is given as an attribute, the wire gets clean values, and the caller never an exception."""

from __future__ import annotations

import enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.telemetry.attributes import clean_value, cleaned, memory_of, safe_text
from tests.telemetry.fakes import make_rig


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def cyclic() -> list[Any]:
    items: list[Any] = [1]
    items.append(items)
    return items


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        ("text", "text"),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (b"bytes", "bytes"),
        (["a", "b"], ["a", "b"]),
        ((1, 2), [1, 2]),
        ([1, 2.5], [1.0, 2.5]),
        (["a", None], ["a"]),
        ([], []),
        (1 << 63, "9223372036854775808"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("pair \ud83d\ude00", "pair 😀"),
        ("x" * 1_000_000, "x" * 8192),
    ],
)
def test_a_value_is_kept_as_the_plain_type_it_stands_for(given_value: Any, kept: Any) -> None:
    """Subclasses, bytes and mixed numbers have one plain form each."""
    value = clean_value(given_value, 8192)
    assert value == kept
    assert type(value) is type(kept)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        object(),
        {"a": 1},
        {1, 2},
        ["a", 1],
        [True, 1],
        [object()],
        cyclic(),
        b"\xff",
        range(3),
        1j,
        Unshowable(),
    ],
)
def test_a_value_without_a_place_in_an_attribute_is_dropped_and_counted(odd: Any) -> None:
    """Nothing is guessed: the specification names the types."""
    clean, dropped, _ = cleaned({"odd": odd, "fine": 1}, 128, 8192)
    assert clean == {"fine": 1}
    assert dropped == 1


def test_an_integer_too_long_to_be_printed_is_dropped() -> None:
    """CPython refuses to turn huge integers into text; that must not surface."""
    clean, dropped, _ = cleaned({"huge": 10**5000}, 128, 8192)
    assert (clean, dropped) == ({}, 1)


def test_ten_thousand_attributes_keep_the_limit_and_count_the_rest() -> None:
    """The first ones stay, as the specification says."""
    clean, dropped, heavy = cleaned({f"k{n}": n for n in range(10_000)}, 128, 8192)
    assert list(clean) == [f"k{n}" for n in range(128)]
    assert (dropped, heavy) == (9872, True)


def test_the_callers_dict_is_never_shared() -> None:
    """A constant dict of attributes may be reused for many spans."""
    constant = {"a": 1}
    clean, _, _ = cleaned(constant, 128, 8192)
    clean["b"] = 2
    assert constant == {"a": 1}


@pytest.mark.parametrize("odd", [5, "text", ["a"], object()])
def test_attributes_that_are_no_mapping_count_as_one_dropped(odd: Any) -> None:
    assert cleaned(odd, 128, 8192) == ({}, 1, True)


@pytest.mark.parametrize("key", [1, None, "", b"k", object()])
def test_a_key_that_is_no_text_is_dropped(key: Any) -> None:
    assert cleaned({key: 1}, 128, 8192)[:2] == ({}, 1)


def test_what_cannot_be_shown_is_named_by_its_type() -> None:
    assert safe_text(Unshowable(), 100) == "Unshowable"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.characters(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text() | st.integers(), anything), st.integers(0, 300), st.integers(0, 20))
def test_any_attributes_come_out_clean(attributes: dict[Any, Any], length: int, count: int) -> None:
    """Property: the types are the wire's, the text is UTF-8, the limits hold, and the memory estimate is not below."""
    clean, dropped, _ = cleaned(attributes, count, length)
    assert len(clean) <= count
    assert len(clean) + dropped >= len(attributes) or len(set(map(str, attributes))) < len(attributes)
    for key, value in clean.items():
        assert key.encode()
        for item in value if isinstance(value, list) else [value]:
            assert type(item) in {str, bool, int, float}
            if isinstance(item, str):
                item.encode()
                assert len(item) <= max(length, 0)
    assert memory_of(clean) >= sum(len(value) for value in clean.values() if isinstance(value, str))


@pytest.mark.parametrize(
    "names", [["a"], ["a", "b", "c", "d"], ["x" * 64], ["a"] * 5, ["x" * 65], ["ö"], ["a", 1], [1], []]
)
def test_a_list_on_a_span_is_what_any_other_way_makes_of_it_and_a_copy(names: list[Any]) -> None:
    """Short lists of names take a shorter way."""
    rig = make_rig()
    span = rig.telemetry.tracer("t").start_span("s", parent=None)
    span.set_attribute("names", names)
    expected = clean_value(list(names), 4096)
    names.append("later")
    found = getattr(span, "attributes").get("names")  # noqa: B009 - the record's, not the API's
    assert found == expected
    assert type(found) is type(expected)
    span.end()
