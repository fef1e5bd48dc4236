# ruff: noqa: RUF001  (full-width forms and Japanese dashes are what is tested)
from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from lumigate.privacy.answers import ChunkRestorer, restore_answer
from lumigate.privacy.kinds import Kind
from lumigate.privacy.mask import Policy, Redaction, mask, redact_chat
from tests.privacy.samples import CUTS, FOUND, PRIVATE_KEY, TEXTS, pieces_of


def chat(text: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def redacted(text: str) -> tuple[str, Redaction]:
    redaction = redact_chat(chat(text), Policy.TOKENS)
    return redaction.body["messages"][0]["content"], redaction


def test_masking_leaves_the_kind_and_everything_else() -> None:
    assert mask("連絡はa@b.io、０９０－１２３４－５６７８まで") == "連絡は[email]、[phone]まで"


@given(TEXTS)
def test_masking_a_masked_text_changes_nothing(text: str) -> None:
    masked = mask(text)
    assert mask(masked) == masked


@pytest.mark.parametrize("sample", [it for them in FOUND.values() for it in them])
def test_nothing_of_a_sample_is_left(sample: str) -> None:
    assert mask(f"x {sample} y").count("[") == 1
    assert sample not in mask(f"x {sample} y")


@given(TEXTS)
def test_restoring_a_redacted_text_gives_the_text(text: str) -> None:
    sent, redaction = redacted(text)
    assert redaction.restore(sent) == text


def test_a_value_has_one_token_throughout_a_request() -> None:
    body = {"messages": [{"role": "user", "content": "a@b.io c@d.io"}, {"role": "user", "content": "a@b.io"}]}
    redaction = redact_chat(body, Policy.TOKENS)
    assert [message["content"] for message in redaction.body["messages"]] == [
        "<EMAIL_1> <EMAIL_2>",
        "<EMAIL_1>",
    ]
    assert redaction.counts == {Kind.EMAIL: 3}


def test_a_token_that_the_caller_wrote_is_not_given_out_nor_restored() -> None:
    sent, redaction = redacted("keep <EMAIL_1> and <email_3>, write to a@b.io")
    assert sent == "keep <EMAIL_1> and <email_3>, write to <EMAIL_2>"
    assert (
        redaction.restore("<EMAIL_1> <EMAIL_2> <EMAIL_3> <EMAIL_4>") == "<EMAIL_1> a@b.io <EMAIL_3> <EMAIL_4>"
    )


@pytest.mark.parametrize(
    "written",
    ["<MY_NUMBER_1>", "<my_number_1>", '"<My_Number_1>"', "**<MY_NUMBER_1>**", "`<MY_NUMBER_1>`", "<MY\\_NUMBER\\_1>",
     "\\<MY_NUMBER_1\\>", "&lt;MY_NUMBER_1&gt;", "＜MY_NUMBER_1＞", "< MY_NUMBER_1 >", "<MY NUMBER 1>",
     "[<MY_NUMBER_1>](x)"],
)  # fmt: skip
def test_a_token_is_known_again_however_the_model_writes_it(written: str) -> None:
    _, redaction = redacted("マイナンバー 123456789018")
    assert "123456789018" in redaction.restore(f"it is {written}.")
    assert "NUMBER" not in redaction.restore(f"it is {written}.").upper()


def test_the_structure_is_left_alone_and_the_given_body_unchanged() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://a@b.io/x.png"}}
    body: dict[str, Any] = {
        "model": "m",
        "temperature": 0.5,
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": [{"type": "text", "text": "a@b.io"}, image], "name": "x"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"to": "a@b.io"}'}}
            ]},
            {"role": "tool", "tool_call_id": "1", "content": "sent to a@b.io"},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }  # fmt: skip
    before = json.dumps(body)
    new = redact_chat(body, Policy.TOKENS).body
    assert json.dumps(body) == before
    assert json.dumps(new) == before.replace("a@b.io", "<EMAIL_1>").replace(
        "https://<EMAIL_1>", "https://a@b.io"
    )
    assert new["messages"][0] is body["messages"][0]
    assert new["messages"][1]["content"][1] is image


@pytest.mark.parametrize(
    "odd", [None, 1, "x", [], [None, 1, "x"], [{"content": 1, "tool_calls": {}}], {"a": 1}]
)
def test_a_body_of_an_unexpected_shape_is_passed_over(odd: Any) -> None:
    body = {"messages": odd}
    assert redact_chat(body, Policy.MASK).body is body


ARGUMENTS: list[Any] = [
    {"to": "a@b.io", "n": 1.50},
    {"text": "line\ntanaka@example.com\tx", "quote": '"a@b.io"', "path": "C:\\a@b.io"},
    {"日本": "電話は０３－１２３４－５６７８", "key": PRIVATE_KEY},
    {"password": "Xyz12345!", "nested": ["4111 1111 1111 1111", {"x": "192.0.2.1"}]},
]


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("value", ARGUMENTS)
def test_arguments_of_a_tool_call_stay_json_and_come_back_equal(value: Any, ascii_only: bool) -> None:
    call = {"function": {"name": "f", "arguments": json.dumps(value, ensure_ascii=ascii_only)}}
    redaction = redact_chat({"messages": [{"role": "assistant", "tool_calls": [call]}]}, Policy.TOKENS)
    sent = redaction.body["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert redaction.counts
    assert not any(secret in sent for secret in ("@", "4111", "1234", "MIIE", "Xyz"))
    json.loads(sent)
    assert json.loads(redaction.tokens.restore_json(sent)) == value


def test_a_number_that_is_a_card_becomes_a_string_in_arguments() -> None:
    call = {"function": {"name": "f", "arguments": '{"card": [4111111111111111, -4111111111111111, 1]}'}}
    redaction = redact_chat({"messages": [{"tool_calls": [call]}]}, Policy.MASK)
    arguments = redaction.body["messages"][0]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"card": ["[card]", "[card]", 1]}


def test_each_policy_does_what_its_name_says() -> None:
    body = chat("a@b.io")
    off, masked, blocked = (redact_chat(body, it) for it in (Policy.OFF, Policy.MASK, Policy.BLOCK))
    assert (off.body is body, off.counts, off.blocked) == (True, {}, False)
    assert (masked.body, masked.blocked) == (chat("[email]"), False)
    assert (blocked.body is body, blocked.counts, blocked.blocked) == (True, {Kind.EMAIL: 1}, True)
    assert not redact_chat(chat("hello"), Policy.BLOCK).blocked


def test_no_value_is_in_a_repr() -> None:
    _, redaction = redacted("a@b.io")
    assert "a@b.io" not in repr(redaction) + repr(redaction.tokens)


def test_a_whole_answer_is_restored_in_text_and_arguments() -> None:
    _, redaction = redacted(f"a@b.io {PRIVATE_KEY}")
    message = {
        "content": "to <EMAIL_1>",
        "tool_calls": [{"function": {"arguments": '{"key": "<PRIVATE_KEY_1>"}'}}],
    }
    answer = restore_answer({"choices": [{"index": 0, "message": message}]}, redaction.tokens)
    restored = answer["choices"][0]["message"]
    assert restored["content"] == "to a@b.io"
    assert json.loads(restored["tool_calls"][0]["function"]["arguments"]) == {"key": PRIVATE_KEY}


@given(cuts=CUTS)
def test_a_streamed_answer_is_restored_however_its_chunks_are_cut(cuts: list[int]) -> None:
    _, redaction = redacted(f"a@b.io {PRIVATE_KEY}")
    restorer = ChunkRestorer(redaction.tokens)
    text, arguments = "to <EMAIL_1> and <EMAIL_1>", '{"key": "<PRIVATE_KEY_1>", "x": "<email_1>"}'
    deltas: list[dict[str, Any]] = [{"content": piece} for piece in pieces_of(text, cuts)]
    deltas += [
        {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
        for piece in pieces_of(arguments, cuts)
    ]
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": it, "finish_reason": None}]} for it in deltas
    ]
    chunks += [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {}},
    ]
    content = called = ""
    for chunk in chunks:
        for choice in restorer.feed(chunk)["choices"]:
            content += choice["delta"].get("content", "")
            called += "".join(call["function"]["arguments"] for call in choice["delta"].get("tool_calls", ()))
    assert content == "to a@b.io and a@b.io"
    assert json.loads(called) == {"key": PRIVATE_KEY, "x": "a@b.io"}
