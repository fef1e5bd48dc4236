"""Which words of a prompt count."""

from __future__ import annotations

import pytest

from lumigate.cache.near.words import words_that_count


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is IT?", "What is it?"),
        ("Is he one of US?", "Is he one of us?"),
        ("WHO said that?", "Who said that?"),
    ],
)
def test_a_name_in_capitals_is_not_the_word_it_would_be_without(one: str, other: str) -> None:
    assert words_that_count(one) != words_that_count(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("WHAT IS IT?", "what is it?"), ("What is HTML?", "what is html?"), ("What is IT?", "what is IT")],
)
def test_case_does_not_count_otherwise(one: str, other: str) -> None:
    assert words_that_count(one) == words_that_count(other)
