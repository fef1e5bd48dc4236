"""Tool-call arguments masked in pieces: valid JSON comes out, the same however it was cut, and nothing stays in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.privacy.json_stream import JsonStreamMasker
from lumigate.privacy.mask import Policy, mark, redact_chat
from tests.privacy.samples import CUTS, FOUND, TEXTS, pieces_of

VALUES = st.recursive(
    TEXTS | st.integers() | st.booleans() | st.sampled_from(["a\\/b@c.io", '"090-1234-5678"', "\\\\x", "\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


def masked(pieces: list[str]) -> str:
    masker = JsonStreamMasker(mark)
    return "".join([*map(masker.feed, pieces), masker.end()])


def as_a_prompt(arguments: str) -> str:
    """What the policy for prompts makes of the same arguments."""
    call = {"function": {"name": "f", "arguments": arguments}}
    body = {"messages": [{"role": "assistant", "tool_calls": [call]}]}
    redacted: Any = redact_chat(body, Policy.MASK).body
    text: str = redacted["messages"][0]["tool_calls"][0]["function"]["arguments"]
    return text


@given(value=st.dictionaries(st.text(max_size=9), VALUES, max_size=4), ascii_only=st.booleans(), cuts=CUTS)
def test_arguments_in_pieces_come_out_as_the_whole_and_as_json(
    value: Any, ascii_only: bool, cuts: list[int]
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    whole = masked([text])
    json.loads(whole)
    assert masked(pieces_of(text, cuts)) == whole
    assert masked(list(text)) == whole


@pytest.mark.parametrize("sample", [it for them in FOUND.values() for it in them])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_sample_in_an_argument_is_masked_as_it_is_in_a_prompt(sample: str, ascii_only: bool) -> None:
    text = json.dumps({"to": [f"see {sample} there"], "n": 1}, ensure_ascii=ascii_only)
    assert json.loads(masked(list(text))) == json.loads(as_a_prompt(text))
    assert sample not in masked(list(text))


def test_a_value_that_hides_behind_escapes_is_found() -> None:
    assert masked(list(r'{"to":"ada\u0040example.com"}')) == '{"to":"[email]"}'
    assert masked(list(r'{"path":"a\/b","face":"\ud83d\ude00"}')) == '{"path":"a/b","face":"\U0001f600"}'
    assert masked(list(r'{"half":"\ud83d."}')) == r'{"half":"\ud83d."}'


def test_a_number_becomes_a_string() -> None:
    assert masked(list('{"card":4111111111111111,"n":12}')) == '{"card":"[card]","n":12}'
    assert masked(list('{"a": [-4111111111111111, 1.5],"n":-12}')) == '{"a": ["[card]", 1.5],"n":-12}'


def test_json_in_json_stays_json() -> None:
    inner = json.dumps({"mail": "ada@example.com", "path": "C:\\temp\\a@b.io"})
    outer = json.loads(masked(list(json.dumps({"body": inner}))))
    assert json.loads(outer["body"]) == {"mail": "[email]", "path": "C:\\temp\\[email]"}


def test_what_is_no_json_is_masked_as_text() -> None:
    assert masked(list("mail ada@example.com now")) == "mail [email] now"


def test_what_goes_on_after_an_end_is_still_inside_the_string() -> None:
    masker = JsonStreamMasker(mark)
    text = masker.feed('{"a":"b') + masker.end() + masker.feed(' 4111111111111111"}') + masker.end()
    assert text == '{"a":"b [card]"}'
