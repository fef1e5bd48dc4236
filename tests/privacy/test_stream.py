from __future__ import annotations

import pytest
from hypothesis import given

from lumigate.privacy.kinds import Kind
from lumigate.privacy.mask import Policy, mask, redact_chat
from lumigate.privacy.stream import MAX_HELD_CHARS, StreamMasker, StreamRestorer
from lumigate.privacy.tokens import MAX_TOKEN_CHARS, TokenTable
from tests.privacy.samples import CUTS, FOUND, TEXTS, pieces_of


def masked(pieces: list[str]) -> str:
    masker = StreamMasker()
    return "".join([*map(masker.feed, pieces), masker.end()])


def restored(tokens: TokenTable, pieces: list[str]) -> str:
    restorer = StreamRestorer(tokens)
    return "".join([*map(restorer.feed, pieces), restorer.end()])


@given(text=TEXTS, cuts=CUTS)
def test_masking_in_pieces_is_masking_the_whole(text: str, cuts: list[int]) -> None:
    assert masked(pieces_of(text, cuts)) == mask(text)


@pytest.mark.parametrize("sample", [it for them in FOUND.values() for it in them])
def test_a_sample_is_masked_when_it_comes_character_by_character(sample: str) -> None:
    text = f"before {sample} after"
    assert masked(list(text)) == mask(text)


@given(text=TEXTS, cuts=CUTS)
def test_restoring_in_pieces_is_restoring_the_whole(text: str, cuts: list[int]) -> None:
    redaction = redact_chat({"messages": [{"role": "user", "content": text}]}, Policy.TOKENS)
    sent: str = redaction.body["messages"][0]["content"]
    for written in (
        sent,
        sent.lower(),
        sent.replace("<", "&lt;").replace(">", "&gt;"),
        sent.replace("_", "\\_"),
    ):
        assert restored(redaction.tokens, pieces_of(written, cuts)) == redaction.restore(written)


def test_the_restorer_holds_back_no_more_than_a_token() -> None:
    tokens = TokenTable()
    tokens.token(Kind.EMAIL, "a@b.io")
    restorer = StreamRestorer(tokens)
    assert restorer.feed("if a < b and c <") == "if a < b and c "
    assert restorer.feed("d then <em") == "<d then "
    assert restorer.feed("ail_1") == ""
    assert restorer.feed("> <" + "9" * MAX_TOKEN_CHARS) == "a@b.io <" + "9" * MAX_TOKEN_CHARS


def test_without_tokens_everything_goes_out_at_once() -> None:
    assert StreamRestorer(TokenTable()).feed("half a <EMAIL_") == "half a <EMAIL_"


def test_the_masker_holds_back_the_word_in_progress_only() -> None:
    masker = StreamMasker()
    assert masker.feed("the quick brown f") == "the quick brown "
    assert masker.feed("ox、日本語の文") == "fox、日本語の文"
    assert masker.feed(" call 090-1234") == " call "
    assert masker.feed("-5678 now") == "[phone] "
    assert masker.end() == "now"


def test_a_word_without_end_is_not_held_without_end() -> None:
    """Memory and delay are bounded, the result is the same however it was cut, and what is whole in it is found."""
    text = "x" * (3 * MAX_HELD_CHARS) + "@" + "y" * 500 + "/a@b.io/" + "z" * MAX_HELD_CHARS + " end"
    masker, held, out = StreamMasker(), 0, ""
    for at in range(0, len(text), 100):
        out += masker.feed(text[at : at + 100])
        held = max(held, min(at + 100, len(text)) - len(out))
    out += masker.end()
    assert held <= MAX_HELD_CHARS + 200
    assert out == masked([text]) == masked([text[:5000], text[5000:]])
    assert "/[email]/" in out
