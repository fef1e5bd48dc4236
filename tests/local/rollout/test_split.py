from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.rollout.split import Split, parse_steps

OLD, NEW = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


def test_the_ends_name_one_version_and_the_middle_names_both() -> None:
    assert Split(candidate=NEW, stable=OLD, percent=10).specs == [f"{NEW}@10%", f"{OLD}@90%"]
    assert Split(candidate=NEW, stable=OLD, percent=100).specs == [f"{NEW}@100%"]
    assert Split(candidate=NEW, stable=OLD, percent=0).specs == [f"{OLD}@100%"]


@given(st.uuids(), st.uuids(), st.integers(0, 1000))
def test_the_message_tells_the_split_again(candidate: object, stable: object, tenths: int) -> None:
    split = Split(candidate=str(candidate), stable=str(stable), percent=tenths / 10)
    assert Split.of_message(f"by hand; {split.message} (run 7)") == split


@pytest.mark.parametrize("message", ["", "a deployment", "lumigate rollout: x at 10%, from y"])
def test_a_message_of_another_origin_is_no_rollout(message: str) -> None:
    assert Split.of_message(message) is None


def test_steps_rise_to_a_hundred() -> None:
    assert parse_steps("10,50,100") == (10, 50, 100)
    assert parse_steps("100") == (100,)
    for wrong in ("", "10,50", "50,10,100", "0,100", "10,10,100", "a,100", "10,100,200"):
        with pytest.raises(ValueError, match="rise to 100"):
            parse_steps(wrong)
