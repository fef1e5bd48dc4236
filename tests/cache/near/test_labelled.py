"""The false-hit rate, measured: `pytest tests/cache/near -s -k report` prints it."""

from __future__ import annotations

import pytest

from lumigate.cache.near.index import Known, NearIndex
from lumigate.cache.near.minhash import similarity
from lumigate.cache.near.query import NearQuery, near_query
from tests.cache.near.labelled import DIFFERENT, SAME

THRESHOLD = 0.8
"""What docs/cache.md recommends."""


def query(text: str) -> NearQuery:
    body = {"model": "fast", "messages": [{"role": "user", "content": text}]}
    found = near_query("t:acme", "openai", body, any_form=True)
    assert found is not None
    return found


def matches(one: str, other: str) -> bool:
    """Whether an isolate that knows the answer to one serves it for the other."""
    known, asked = query(one), query(other)
    index = NearIndex()
    index.add(Known(key="k", meaning=known.meaning, signature=known.signature, expires_ns=1))
    return index.nearest(asked, threshold=THRESHOLD, now_ns=0, but="") is not None


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_an_answer_is_never_served_for_another_question(one: str, other: str) -> None:
    assert not matches(one, other)
    assert not matches(other, one)


def test_the_set_is_large_enough_and_holds_no_pair_twice() -> None:
    pairs = [frozenset(pair) for pair in (*SAME, *DIFFERENT)]
    assert len(set(pairs)) == len(pairs) >= 170
    assert sum(not one.isascii() for one, _ in (*SAME, *DIFFERENT)) >= 50


def test_report_precision_and_recall(capsys: pytest.CaptureFixture[str]) -> None:
    """Four questions in five that are asked otherwise are found; those asked in other words are not."""
    found = sum(matches(one, other) for one, other in SAME)
    false = sum(matches(one, other) for one, other in DIFFERENT)
    alone = sum(
        similarity(query(one).signature, query(other).signature) >= THRESHOLD for one, other in DIFFERENT
    )
    with capsys.disabled():
        print(  # noqa: T201 # the measurement is what this is for
            f"\nnear: {found} of {len(SAME)} found, {false} of {len(DIFFERENT)} false; "
            f"by similarity alone {alone} would be false"
        )
    assert false == 0
    assert found / len(SAME) >= 0.8
    assert alone >= 5  # the guard is what the precision comes from
