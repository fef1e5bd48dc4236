from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lumigate.cache.entry import FORMAT, Entry
from tests.cache.rig import SECOND, make_asked, make_cache
from tests.fakes import make_scope

ENTRIES = st.builds(
    Entry,
    content_type=st.text(),
    provider=st.text(),
    model=st.text(),
    input_tokens=st.integers(0),
    output_tokens=st.integers(0),
    alias=st.text(),
    tags=st.lists(st.text(), max_size=8).map(tuple),
    usage=st.booleans(),
    cost_usd=st.floats(0, allow_nan=False, allow_infinity=False),
    asked_ns=st.integers(0),
    fresh_ns=st.integers(0),
    expires_ns=st.integers(0),
    body=st.binary(),
)
ENTRY = Entry(
    content_type="application/json",
    provider="openai",
    model="gpt-4o-mini",
    input_tokens=1,
    output_tokens=2,
    cost_usd=0.5,
    asked_ns=1,
    fresh_ns=5,
    expires_ns=10,
    body=b'{"a":\n"b"}',
)


def head(**changes: Any) -> bytes:
    members = {"format": FORMAT} | {name: v for name, v in asdict(ENTRY).items() if name != "body"} | changes
    return json.dumps(members).encode()


@given(ENTRIES)
def test_what_was_written_is_read_back(entry: Entry) -> None:
    assert Entry.from_bytes(entry.to_bytes()) == entry


@given(st.binary(max_size=100) | st.tuples(st.binary(max_size=40), st.binary(max_size=40)).map(b"\n".join))
@example(b"")
@example(b"\n")
@example(b"{}\n")
@example(b"[]\nbody")
@example(b"null\nbody")
@example(b"[" * 100_000)
@example(b'{"format":' + b"[" * 100_000)
@example(b"9" * 5000 + b"\n")
@example(b'\xff\xfe{"format":1}\n')
def test_junk_raises_nothing_but_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever its words
        Entry.from_bytes(data)


@given(ENTRIES, st.integers(0, 200))
def test_an_entry_cut_short_in_its_head_is_refused(entry: Entry, length: int) -> None:
    whole = entry.to_bytes()
    cut = whole[: min(length, whole.index(b"\n"))]
    with pytest.raises(ValueError):  # noqa: PT011  # whatever its words
        Entry.from_bytes(cut[:-1])


@pytest.mark.parametrize("format_", [0, FORMAT + 1, None, "1", [], "missing"])
def test_an_entry_of_another_format_is_refused(format_: Any) -> None:
    with pytest.raises(ValueError, match="format"):
        Entry.from_bytes(head(format=format_) + b"\nbody")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content_type", None),
        ("content_type", 5),
        ("provider", []),
        ("model", {}),
        ("input_tokens", "1"),
        ("input_tokens", 1.5),
        ("output_tokens", None),
        ("output_tokens", True),
        ("cost_usd", "0.5"),
        ("expires_ns", "never"),
        ("expires_ns", None),
        ("tags", "a"),
        ("tags", [1]),
        ("tags", ["a"] * 9),
        ("usage", 1),
        ("asked_ns", 1.0),
    ],
)
def test_an_entry_whose_head_is_wrongly_typed_is_refused(name: str, value: Any) -> None:
    """A value that only later turns out to be no number would be a 500 where a miss would do."""
    with pytest.raises(ValueError, match=name):
        Entry.from_bytes(head(**{name: value}) + b"\nbody")


def test_missing_and_unknown_members_are_refused() -> None:
    members = json.loads(head())
    del members["model"]
    for changed in (json.dumps(members).encode(), head(extra=1)):
        with pytest.raises(ValueError, match=r"model|extra"):
            Entry.from_bytes(changed + b"\nbody")


def test_an_entry_is_reckoned_larger_than_its_body() -> None:
    assert ENTRY.size > len(ENTRY.body)


def test_an_answer_ages_from_when_it_was_given_and_is_purged_by_when_it_was_asked_for() -> None:
    rig = make_scope()
    asked = make_asked(rig, make_cache(), ttl_seconds=600)
    now_ns = asked.asked_ns + 60 * SECOND
    kept = asked.entry(
        b"{}", provider="p", model="m", input_tokens=1, output_tokens=1, cost_usd=0.0, now_ns=now_ns
    )
    assert (kept.asked_ns, kept.fresh_ns) == (asked.asked_ns, now_ns + 600 * SECOND)
