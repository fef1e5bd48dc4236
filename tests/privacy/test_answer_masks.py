"""Answers in OpenAI's shape without personal data: a stream says what the whole answer says, in the same order."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lumigate.privacy.answer_masks import AnswerMasks
from lumigate.privacy.chunk_masks import ChunkMasker
from lumigate.privacy.kinds import Kind
from lumigate.privacy.tokens import TokenTable
from tests.privacy.samples import CUTS, TEXTS, pieces_of

MAIL = "ada@example.com"


def masks(counts: Counter[Kind] | None = None, tokens: TokenTable | None = None) -> AnswerMasks:
    counted: Counter[Kind] = Counter() if counts is None else counts

    def count(kind: Kind) -> None:
        counted[kind] += 1

    return AnswerMasks(count, tokens)


def call(number: int, arguments: str) -> dict[str, Any]:
    return {"index": number, "function": {"arguments": arguments}}


def chunk(delta: Any, finish_reason: str | None = None, index: int = 0) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def streamed(chunks: list[dict[str, Any]], answer: AnswerMasks | None = None) -> list[dict[str, Any]]:
    """The deltas that come out."""
    masker = ChunkMasker(answer or masks())
    passed = [out for given in chunks for out in masker.feed(given)] + masker.end()
    return [choice["delta"] for out in passed for choice in out["choices"]]


def said(deltas: list[dict[str, Any]]) -> dict[str, Any]:
    """What a client makes of deltas."""
    message: dict[str, Any] = {}
    for delta in deltas:
        for name, value in delta.items():
            if name == "tool_calls":
                calls = message.setdefault("calls", {})
                for part in value:
                    calls[part["index"]] = calls.get(part["index"], "") + part["function"]["arguments"]
            elif isinstance(value, str):
                message[name] = message.get(name, "") + value
    return message


@given(thoughts=TEXTS, text=TEXTS, argument=TEXTS, cuts=CUTS, finished=st.booleans())
def test_a_stream_is_masked_as_the_whole_answer_is(
    thoughts: str, text: str, argument: str, cuts: list[int], finished: bool
) -> None:
    arguments = json.dumps({"to": argument})
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in pieces_of(thoughts, cuts)]
    deltas += [{"content": piece} for piece in pieces_of(text, cuts)]
    for number in (0, 1):
        deltas += [{"tool_calls": [call(number, piece)]} for piece in pieces_of(arguments, cuts)]
    chunks = [*map(chunk, deltas)] + ([chunk({}, "tool_calls")] if finished else [])
    calls = [{"id": "1", "function": {"name": "f", "arguments": arguments}}] * 2
    message = {"role": "assistant", "reasoning_content": thoughts, "content": text, "tool_calls": calls}
    in_pieces, at_once = Counter[Kind](), Counter[Kind]()
    whole: Any = masks(at_once).answer({"choices": [{"index": 0, "message": message}]})
    expected = whole["choices"][0]["message"]
    got = said(streamed(chunks, masks(in_pieces)))
    assert got.get("reasoning_content", "") == expected["reasoning_content"]
    assert got["content"] == expected["content"]
    if arguments:
        assert [*got["calls"].values()] == [it["function"]["arguments"] for it in expected["tool_calls"]]
    assert in_pieces == at_once


def test_what_is_held_back_goes_out_before_the_next_thing_begins() -> None:
    deltas = streamed(
        [
            chunk({"reasoning_content": "so ask"}),
            chunk({"content": f"Mail {MAIL}"}),
            chunk({"tool_calls": [call(0, '{"a":')]}),
            chunk({"tool_calls": [call(0, f'"{MAIL}"}}'), call(1, "{}")]}),
            chunk({}, "tool_calls"),
        ]
    )
    order = [(name, value) for delta in deltas for name, value in delta.items() if value]
    assert order == [
        ("reasoning_content", "so "),
        ("reasoning_content", "ask"),
        ("content", "Mail "),
        ("content", "[email]"),
        ("tool_calls", [call(0, "")]),
        ("tool_calls", [call(0, '{"a":"[email]"}'), call(1, "")]),
        ("tool_calls", [call(1, "{}")]),
    ]


def test_each_choice_is_masked_by_itself() -> None:
    pieces = [("ada@", 0), ("bob@", 1), ("example.com", 0), ("example.org", 1)]
    chunks = [chunk({"content": piece}, index=index) for piece, index in pieces]
    chunks += [chunk({}, "stop", index=index) for index in (0, 1)]
    assert "".join(delta.get("content", "") for delta in streamed(chunks)) == "[email][email]"


def test_thoughts_that_are_told_under_two_names_are_masked_under_both() -> None:
    chunks = [chunk({"reasoning": p, "reasoning_content": p}) for p in ("I am ada@", "example", ".com ok")]
    got = said(streamed([*chunks, chunk({}, "stop")]))
    assert got["reasoning"] == got["reasoning_content"] == "I am [email] ok"


def test_a_call_of_the_older_kind_and_a_custom_tool_are_masked() -> None:
    older = [chunk({"function_call": {"arguments": piece}}) for piece in ('{"a":"ada@', 'example.com"}')]
    deltas = streamed([*older, chunk({}, "function_call")])
    assert "".join(it["function_call"]["arguments"] for it in deltas if it) == '{"a":"[email]"}'
    custom = [
        chunk({"tool_calls": [{"index": 0, "custom": {"input": piece}}]}) for piece in ("to ada@", "b.io")
    ]
    deltas = streamed([*custom, chunk({}, "tool_calls")])
    assert "".join(it["tool_calls"][0]["custom"]["input"] for it in deltas if it) == "to [email]"


def test_what_spells_the_answer_or_cannot_be_masked_is_left_out() -> None:
    delta = {"content": "hi ", "audio": {"transcript": MAIL}, "annotations": [{"title": MAIL}], "new": MAIL}
    choice = {**chunk(delta)["choices"][0], "logprobs": {"content": [{"token": MAIL}]}, "note": f"by {MAIL}"}
    out: Any = ChunkMasker(masks()).feed({**chunk({}), "choices": [choice]})
    assert MAIL not in json.dumps(out)
    assert out[0]["choices"][0]["delta"] == {"content": "hi ", "annotations": [{"title": "[email]"}]}
    whole = masks().answer({"choices": [{"index": 0, "message": delta, "logprobs": choice["logprobs"]}]})
    assert MAIL not in json.dumps(whole)


def test_signed_thoughts_stay_only_if_nothing_is_in_them() -> None:
    clean = {"type": "reasoning.text", "text": "all fine", "signature": "s"}
    sealed = {"type": "reasoning.encrypted", "data": "AAAA"}
    piece = {"type": "reasoning.text", "text": "a piece of ada@"}
    message = {"reasoning_details": [clean, sealed, piece, {**clean, "text": f"to {MAIL}"}]}
    assert masks().message(message) == {"reasoning_details": [clean, sealed]}


def test_the_callers_own_tokens_are_not_masked_away() -> None:
    tokens = TokenTable()
    token = tokens.token(Kind.SECRET, "s3cret-of-the-caller")
    found = masks(tokens=tokens)
    for text in (f"password={token}, mail {MAIL}", f"https://u:{token}@h.example/ {MAIL}"):
        assert token in found.plain(text)
        assert found.plain(text).endswith("[email]")


def test_an_error_and_a_chunk_of_an_unexpected_shape_pass_without_the_value() -> None:
    masker = ChunkMasker(masks())
    given: list[dict[str, Any]] = [
        {"error": {"message": f"no {MAIL}"}},
        {"choices": [MAIL]},
        {"choices": [{"index": "x", "delta": MAIL}]},
        {"choices": [{"delta": {"content": [{"text": MAIL}], "tool_calls": MAIL, "function_call": [MAIL]}}]},
        {"choices": [{"delta": {"tool_calls": [MAIL, {"index": 0, "function": {"arguments": [MAIL]}}]}}]},
        {"choices": [{"delta": {}, "message": {"content": MAIL}}]},
    ]
    for document in given:
        assert MAIL not in json.dumps(masker.feed(document))
    assert masker.feed({"choices": None}) == [{"choices": None}]
