from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lumigate.errors import BodyTooLarge, CallerError, InvalidJson, InvalidRequest, UnsupportedMediaType
from lumigate.http.body import parse_json_object, read_json_object
from tests.fakes import make_scope, raised_by

JSON_LIKE = st.text('{}[]":,.0123456789eE+-truefalsn \\u\n', max_size=60).map(str.encode)


@given(st.binary(max_size=200) | JSON_LIKE)
@example(b"")
@example(b"\xef\xbb\xbf{}")
@example(b"{" * 100_000)
@example(b"[" * 100_000)
@example(b'{"a":' * 50_000)
@example(b'{"a":' + b"9" * 5000 + b"}")
@example(b'{"a":1e999999999999}')
@example(b'{"a":"\\ud800"}')
def test_no_bytes_raise_anything_but_a_callers_error(body: bytes) -> None:
    error = raised_by(CallerError, parse_json_object, body)
    if error is None:
        assert type(parse_json_object(body)) is dict
    else:
        assert error.status == 400
        assert "\n" not in error.message


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda children: (
                st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3)
            ),
            max_leaves=5,
        ),
        max_size=3,
    )
)
def test_every_json_object_is_read_as_it_was_written(value: dict[str, Any]) -> None:
    assert parse_json_object(json.dumps(value).encode()) == value
    assert parse_json_object(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}x",
        b"{'a':1}",
        b"\xff",
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b"[" * 5000,
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_not_json_is_said_to_be_so(body: bytes) -> None:
    with pytest.raises(InvalidJson) as caught:
        parse_json_object(body)
    assert caught.value.message.startswith("The request body is not valid JSON: ")


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"text"', b"true"])
def test_json_that_is_no_object_is_invalid_in_another_way(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_json_object(body)


@pytest.mark.parametrize("depth", [100, 1_000, 10_000])
def test_what_is_read_can_be_written_again_however_deep(depth: int) -> None:
    """A body that the parser takes must not be one that the writer of cache keys and calls chokes on."""
    body = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    error = raised_by(InvalidJson, parse_json_object, body)
    if error is None:
        json.dumps(parse_json_object(body))
    else:
        assert "nested" in error.message
        assert depth > 100


def test_brackets_inside_text_are_not_nesting() -> None:
    text = '[{"' * 1000
    assert parse_json_object(json.dumps({"a": text}).encode()) == {"a": text}


async def read(body: bytes, limit: int = 100, **headers: str) -> dict[str, Any]:
    rig = make_scope(headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body)
    value = await read_json_object(rig.scope, limit)
    assert rig.scope.facts.request_bytes == len(body)
    return value


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON ;charset=x"]
)
async def test_json_is_taken_by_its_media_type(content_type: str) -> None:
    assert await read(b"{}", content_type=content_type) == {}


async def test_a_body_without_a_media_type_is_taken_for_json() -> None:
    assert await read(b"{}") == {}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"]
)
async def test_another_media_type_is_415(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        await read(b"{}", content_type=content_type)


async def test_a_compressed_body_is_415_and_not_a_puzzle() -> None:
    with pytest.raises(UnsupportedMediaType):
        await read(b"\x1f\x8b", content_encoding="gzip")
    assert await read(b"{}", content_encoding="Identity") == {}


async def test_a_body_over_the_limit_is_413_by_its_length_or_by_its_bytes() -> None:
    exact = b'{"a":"' + b"x" * 92 + b'"}'
    assert len(exact) == 100
    assert await read(exact) == {"a": "x" * 92}
    with pytest.raises(BodyTooLarge):
        await read(exact + b" ")
    with pytest.raises(BodyTooLarge):
        await read(b"{}", content_length="101")


@pytest.mark.parametrize("length", ["", "-1", "abc", "²", "1e9", "9" * 5000, "0"])
async def test_a_length_that_makes_no_sense_is_passed_over(length: str) -> None:
    assert await read(b"{}", content_length=length) == {}
