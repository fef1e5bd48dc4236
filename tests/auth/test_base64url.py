from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.auth import base64url

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(st.binary())
def test_what_was_written_is_read_back(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data


@given(st.text(ALPHABET, max_size=20) | st.text(max_size=20))
def test_every_value_has_one_spelling(text: str) -> None:
    """Whatever is read is what would be written: no padding, no other characters, no bits left over."""
    try:
        value = base64url.decode(text)
    except ValueError:
        return
    assert base64url.encode(value) == text


@pytest.mark.parametrize(
    "text", ["A", "AA=", "AB", "AAB", "A A", "AA\n", "+A", "/A", "\uff21\uff21", "AAAAA", "é", "AA.AA"]
)
def test_what_is_not_canonical_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        base64url.decode(text)
