"""A small body never takes much memory: not as values, and not as what is told to be wrong with them."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from lumigate.api.session_bodies import NewMessage, validated
from lumigate.errors import CallerError, InvalidJson, InvalidRequest
from lumigate.http.body import MAX_MEMBERS, parse_json_object
from lumigate.llm.chat import ChatRequest
from lumigate.llm.dialects.anthropic import ANTHROPIC_DIALECT
from lumigate.strict_json import MAX_CONTAINERS, MAX_VALUES
from tests.fakes import raised_by

WRONG = b"0," * 60_000 + b"0"
HEAD = b'{"model":"m","max_tokens":5,'
HELLO = b'"messages":[{"role":"user","content":"x"}]'


def of_anthropic(body: dict[str, Any]) -> None:
    ANTHROPIC_DIALECT.parse(body, {})


def of_a_session(body: dict[str, Any]) -> None:
    validated(NewMessage, body)


@pytest.mark.parametrize("read", [ChatRequest.parse, of_anthropic, of_a_session])
@pytest.mark.parametrize(
    "body",
    [
        HEAD + b'"messages":[' + WRONG + b"]}",
        HEAD + b'"messages":[{"role":"user","content":[' + WRONG + b"]}]}",
        HEAD + HELLO + b',"tools":[' + WRONG + b"]}",
        HEAD + HELLO + b',"stop":[' + WRONG + b'],"stop_sequences":[' + WRONG + b"]}",
        HEAD + HELLO + b',"system":[' + WRONG + b'],"tools":5}',
        HEAD + b'"messages":[' + b",".join([b"{}"] * 60_000) + b"]}",
        json.dumps({"content": "x", "code": {f"m{n}": 0 for n in range(60_000)}}).encode(),
    ],
)
def test_what_is_wrong_many_times_is_told_once_and_costs_once(
    read: Callable[[dict[str, Any]], object], body: bytes
) -> None:
    value = parse_json_object(body)
    tracemalloc.start()
    try:
        error = raised_by(CallerError, read, value)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error is not None
    assert peak_bytes < 4_000_000


@pytest.mark.parametrize("unit", [b"{},", b"[],", b'{"a":[]},'])
def test_a_body_of_nothing_but_containers_is_refused_before_it_is_read(unit: bytes) -> None:
    body = b'{"a":[' + unit * MAX_CONTAINERS + b"0]}"
    with pytest.raises(InvalidJson, match="objects and lists"):
        parse_json_object(body)


def test_a_body_of_too_many_values_is_refused() -> None:
    assert len(parse_json_object(b'{"a":[' + b"0," * (MAX_VALUES - 1) + b"0]}")["a"]) == MAX_VALUES
    with pytest.raises(InvalidJson, match="values"):
        parse_json_object(b'{"a":[' + b"0," * (MAX_VALUES + 1) + b"0]}")


def test_what_stands_in_text_does_not_count() -> None:
    text = '[{,"\\' * (MAX_VALUES + 5)
    assert parse_json_object(json.dumps({"a": text}).encode()) == {"a": text}


def test_an_object_of_more_members_than_anything_has_is_refused() -> None:
    assert parse_json_object(json.dumps({f"m{n}": 0 for n in range(MAX_MEMBERS)}).encode())
    with pytest.raises(InvalidRequest, match="members"):
        parse_json_object(json.dumps({f"m{n}": 0 for n in range(MAX_MEMBERS + 1)}).encode())
