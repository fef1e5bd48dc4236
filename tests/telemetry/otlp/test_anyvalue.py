"""Whatever a host hands over becomes a value OTLP can carry."""

from __future__ import annotations

import enum
from collections import UserDict, deque
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumigate.telemetry.otlp.anyvalue import CUT, MAX_NODES, plain, to_utf8, well_formed


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")


class Endless(Sequence[int]):
    """Claims to be short and never ends."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> Any:
        return index

    def __iter__(self) -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        ((1, "a"), [1, "a"]),
        (frozenset({"only"}), ["only"]),
        (deque([1.5]), [1.5]),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        (UserDict({1: {"deep": None}}), {"1": {"deep": None}}),
        (1 << 63, "9223372036854775808"),
        (-(1 << 63), -(1 << 63)),
        (ValueError("bad"), "bad"),
        (Unprintable(), "<unreadable Unprintable>"),
        ([Unprintable()], "<unreadable list>"),
    ],
)
def test_every_kind_of_object_has_a_value(value: object, expected: object) -> None:
    """Subclasses lose their class, integers over 64 bits become decimal text, unknown objects their `str`."""
    made = plain(value)
    assert made == expected
    assert type(made) is type(expected)


def test_an_integer_too_long_to_print_in_decimal_is_shown_in_hex() -> None:
    """CPython raises for `str` of such an integer; ours does not."""
    assert plain(1 << 20_000) == hex(1 << 20_000)


def test_a_cycle_ends_at_the_depth_bound() -> None:
    """A list that holds itself becomes a short tree."""
    cycle: list[object] = []
    cycle.append(cycle)
    made: Any = plain(cycle)
    depth = 0
    while isinstance(made, list):
        (made,) = made
        depth += 1
    assert made == CUT
    assert depth < 33, "a parser of protobuf gives up at 100 messages, and a level of a map is three"


def test_a_billion_laughs_are_a_bounded_number() -> None:
    """Wide cycles and shared branches stop at the bound of nodes."""
    laugh: Any = ["ha"] * 10
    for _ in range(12):
        laugh = [laugh] * 10
    wide: list[object] = []
    wide.extend([wide] * 10)

    def nodes(value: Any) -> int:
        return 1 + sum(map(nodes, value)) if isinstance(value, list) else 1

    assert nodes(plain(laugh)) < MAX_NODES * 1.1
    assert nodes(plain(wide)) < MAX_NODES * 1.1
    assert nodes(plain(Endless())) < MAX_NODES * 1.1


@given(st.text(st.characters() | st.characters(categories=["Cs"])))
@settings(deadline=None)
def test_text_of_any_code_points_becomes_utf8(text: str) -> None:
    """Surrogates are the only thing UTF-8 cannot hold; what is not one stays as it is."""
    repaired = well_formed(text)
    assert to_utf8(text).decode() == repaired
    assert [letter for letter in repaired if letter < "\ud800"] == [
        letter for letter in text if letter < "\ud800"
    ]


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    """And a pair of them, cut from UTF-16, the character it encodes."""
    assert well_formed("a\ud800b\udc00") == "a\ufffdb\ufffd"
    assert well_formed("\ud83d\ude00") == "\U0001f600"
