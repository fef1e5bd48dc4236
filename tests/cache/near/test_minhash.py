from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from lumigate.cache.near.minhash import BANDS, ROWS, SIZE, bands, shingles, signature, similarity
from lumigate.cache.near.query import near_query
from lumigate.cache.near.words import MAX_CHARS, turned, words_that_count

SETS = st.sets(st.text(max_size=8), max_size=30)


@given(SETS, st.randoms())
def test_a_signature_does_not_depend_on_the_order(items: set[str], order: random.Random) -> None:
    shuffled = list(items)
    order.shuffle(shuffled)
    assert signature(shuffled) == signature(items)


@given(SETS, SETS)
def test_similarity_is_symmetric_between_nought_and_one_and_one_for_equals(
    one: set[str], other: set[str]
) -> None:
    a, b = signature(one), signature(other)
    assert similarity(a, b) == similarity(b, a)
    assert 0 <= similarity(a, b) <= 1
    assert similarity(a, a) == 1


def test_similarity_tells_how_much_two_sets_share() -> None:
    """Within what 64 numbers can tell: the error is about an eighth."""
    for shared in (0, 20, 50, 80, 100):
        one = {f"s{n}" for n in range(shared)} | {f"a{n}" for n in range(100 - shared)}
        other = {f"s{n}" for n in range(shared)} | {f"b{n}" for n in range(100 - shared)}
        jaccard = shared / (200 - shared)
        assert abs(similarity(signature(one), signature(other)) - jaccard) < 0.2


def test_bands_cover_the_signature_and_never_meet_those_of_another_place() -> None:
    made = signature({"a", "b"})
    assert SIZE == BANDS * ROWS == len(made)
    assert len({band[0] for band in bands(made)}) == BANDS


@given(st.text(max_size=300))
def test_any_text_has_words_or_none(text: str) -> None:
    words = words_that_count(text)
    assert all(words)
    assert sorted(turned(words)) == sorted(words)
    assert len(signature(shingles(words))) == SIZE


@given(st.lists(st.text(min_size=1, max_size=3), min_size=3, max_size=8), st.integers(0, 7))
def test_a_clause_may_stand_first_or_last(words: list[str], at: int) -> None:
    at %= len(words)
    assert turned(words[at:] + words[:at]) == turned(words)


def test_what_stands_around_the_last_message_makes_another_context() -> None:
    def context(**changes: object) -> str | None:
        body = {"model": "m", "messages": [{"role": "user", "content": "hello you"}], **changes}
        found = near_query("t:acme", "p", body, any_form=True)
        return None if found is None else found.context

    system = {"role": "system", "content": "Be brief."}
    asked = {"role": "user", "content": "good day to all"}
    assert context() == context(messages=[asked])
    assert (
        len({context(), context(temperature=0), context(model="n"), context(messages=[system, asked])}) == 4
    )


def test_prompts_in_which_one_word_may_change_everything_are_matched_exactly_only() -> None:
    for messages in (
        [],
        [{"role": "assistant", "content": "hello"}],
        [{"role": "user", "content": "x " * MAX_CHARS}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}],
        [{"role": "user", "content": "?!"}],
        "junk",
    ):
        assert near_query("t:a", "p", {"messages": messages}, any_form=True) is None
