"""What must be equal before an embedding is heard."""

# ruff: noqa: RUF001  (Japanese punctuation is what is matched)
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.cache.near.core import core, core_words
from lumigate.cache.near.words import words_that_count


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("How do I install Docker on Ubuntu?", ["how", "to", "install", "docker", "on", "ubuntu"]),
        (
            "What are the steps to install Docker on Ubuntu",
            ["how", "to", "install", "docker", "on", "ubuntu"],
        ),
        ("Who is the author of Hamlet?", ["who", "wrote", "hamlet"]),
        ("How old is the universe?", ["age", "of", "universe"]),
        ("What does DNS mean?", ["meaning", "of", "dns"]),
        ("Explain what an API is", ["api"]),
        ("What makes the sky blue?", ["why", "sky", "blue"]),
        ("How do I erase the disk?", ["how", "to", "delete", "disk"]),
        ("パスワードを変更する方法は？", ["how", "パスワード", "変更"]),
        ("量子力学について解説してください", ["量子力学"]),
    ],
)
def test_forms_of_asking_are_brought_into_one(text: str, words: list[str]) -> None:
    assert core_words(text) == words


@pytest.mark.parametrize("text", ["", "?!", "the a", "ですか"])
def test_where_nothing_is_left_there_is_no_core(text: str) -> None:
    assert core(text) == ""


@given(st.text(max_size=300))
def test_any_text_has_a_core_or_none(text: str) -> None:
    assert len(core(text)) == (16 if core_words(text) else 0)


@given(st.sampled_from(["How do I open {}?", "What is {}?", "{}とは何ですか", "Explain {}"]), st.data())
def test_a_word_that_nobody_thought_of_always_counts(form: str, data: st.DataObject) -> None:
    """Names, numbers and whatever else is in no rule: two that differ never share a core."""
    letters = st.text(st.sampled_from("bcdfghjkmpqvwxz0123456789"), min_size=3, max_size=12)
    one, other = data.draw(letters), data.draw(letters)
    if words_that_count(one) != words_that_count(other):
        assert core(form.format(one)) != core(form.format(other))
