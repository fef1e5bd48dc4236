from __future__ import annotations

import pytest

from lumigate.cache.negative import MAX_KEPT, Refusals
from lumigate.errors import UpstreamRefused


def refused(status: int = 400) -> UpstreamRefused:
    return UpstreamRefused("openai", status, "too long", "messages")


def test_a_refusal_is_told_again_word_for_word_until_its_time_is_up() -> None:
    kept = Refusals()
    kept.keep("k", "openai", refused(422), until_ns=10)
    found = kept.get("k", 9)
    assert found is not None
    again = found.to_error()
    assert (again.status, again.message, again.param) == (422, refused().message, "messages")
    assert again.to_body("t") == refused(422).to_body("t")
    assert kept.get("k", 10) is None
    assert len(kept) == 0


@pytest.mark.parametrize("status", [408, 409, 425, 429])
def test_what_may_be_otherwise_at_the_next_try_is_not_kept(status: int) -> None:
    kept = Refusals()
    kept.keep("k", "openai", refused(status), until_ns=10)
    assert kept.get("k", 0) is None


def test_the_oldest_give_way() -> None:
    kept = Refusals()
    for number in range(MAX_KEPT + 5):
        kept.keep(f"{number}", "openai", refused(), until_ns=10)
    assert len(kept) == MAX_KEPT
    assert kept.get("0", 0) is None
