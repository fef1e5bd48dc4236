"""What stops a new version, what does not, and what is too little to say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.rollout.comparison import SILENCE_SECONDS, Aspect, Counts, Pair, assess, chance
from local.rollout.gate import Reading
from local.rollout.split import Share
from slo.standing import Gate

AVAILABILITY = Aspect(name="availability", least_bad=5, budget=0.001, factor=14.4)
REFUSED = Aspect(name="refused", least_bad=10)
MINIMUM = 100


def judged(
    new: tuple[float, float],
    old: tuple[float, float],
    aspect: Aspect = AVAILABILITY,
    *,
    percent: float = 10.0,
    elapsed_s: float = 60.0,
) -> Reading:
    pair = Pair(new=Counts(bad=new[0], total=new[1]), old=Counts(bad=old[0], total=old[1]))
    share = Share(candidate="new", stable="old", percent=percent, elapsed_s=elapsed_s)
    return assess(pair, {aspect.name: pair}, [aspect], share, MINIMUM)


@pytest.mark.parametrize(
    ("new", "old", "gate"),
    [
        ((0, 1000), (0, 9000), Gate.OPEN),
        ((50, 1000), (2, 9000), Gate.BURNING),  # burns by itself
        (
            (50, 1000),
            (450, 9000),
            Gate.BURNING,
        ),  # so does the old one: not knowing whose fault it is, none goes on
        ((8, 1000), (2, 9000), Gate.BURNING),  # 8 times the budget is no page, but far worse than before
        ((8, 1000), (72, 9000), Gate.OPEN),  # the same, and no worse than before: the service's gate decides
        ((8, 10_000), (1, 90_000), Gate.OPEN),  # worse than before, inside the objective
        ((4, 4), (0, 9000), Gate.UNOBSERVED),  # four could be chance
        ((5, 20), (0, 9000), Gate.BURNING),  # so few requests are enough where they fail
        ((0, 99), (0, 9000), Gate.UNOBSERVED),
        ((8, 1000), (0, 20), Gate.OPEN),  # nothing to compare with
        ((0, 0), (0, 0), Gate.UNOBSERVED),
    ],
)
def test_an_objective_is_held_against_the_version_and_against_the_one_before(
    new: tuple[float, float], old: tuple[float, float], gate: Gate
) -> None:
    assert judged(new, old).gate is gate


@pytest.mark.parametrize(
    ("new", "old", "gate"),
    [
        ((300, 1000), (900, 9000), Gate.BURNING),
        ((130, 1000), (900, 9000), Gate.OPEN),  # more, but not twice as many
        ((30, 1000), (9, 9000), Gate.OPEN),  # many times as many, but few
        ((1000, 1000), (0, 20), Gate.OPEN),  # nobody knows what is usual here
        ((1000, 1000), (9000, 9000), Gate.OPEN),
    ],
)
def test_what_has_no_objective_is_only_compared(
    new: tuple[float, float], old: tuple[float, float], gate: Gate
) -> None:
    assert judged(new, old, REFUSED).gate is gate


def test_a_version_that_does_not_tell_of_its_share_is_not_a_good_one() -> None:
    late = SILENCE_SECONDS
    assert judged((0, 200), (0, 9000), elapsed_s=late).gate is Gate.BURNING
    assert "200 requests where about 1,000" in judged((0, 200), (0, 9000), elapsed_s=late).reason
    assert judged((0, 200), (0, 9000), elapsed_s=late - 1).gate is Gate.OPEN, "it may be on its way"
    assert judged((0, 300), (0, 9000), elapsed_s=late).gate is Gate.OPEN
    assert judged((0, 0), (0, 450), elapsed_s=late).gate is Gate.UNOBSERVED, "there was little to tell of"
    assert judged((0, 200), (0, 9000), elapsed_s=late, percent=100).gate is Gate.OPEN, (
        "the old one's last ones"
    )


def test_a_reading_says_what_it_rests_on() -> None:
    assert judged((0, 1000), (0, 9000)).reason == "1,000 requests of the new version, 9,000 of the old"
    assert "too few of the old" in judged((0, 1000), (0, 5)).reason
    assert judged((0, 7), (0, 9000)).reason == "new version: 7 requests, 100 are needed to judge it"
    assert (
        "5.00% bad of 1,000, 0.02% in the old one, 50.0 times the budget"
        in judged((50, 1000), (2, 9000)).reason
    )


@given(
    drawn=st.integers(1, 40), rest=st.integers(0, 40), bad_new=st.integers(0, 40), bad_old=st.integers(0, 40)
)
def test_the_chance_is_that_of_drawing_so_many(drawn: int, rest: int, bad_new: int, bad_old: int) -> None:
    bad_new, bad_old = min(bad_new, drawn), min(bad_old, rest)
    bad, everything = bad_new + bad_old, drawn + rest
    exact = sum(
        math.comb(bad, hit) * math.comb(everything - bad, drawn - hit)
        for hit in range(bad_new, min(bad, drawn) + 1)
        if drawn - hit <= everything - bad
    ) / math.comb(everything, drawn)
    found = chance(Counts(bad=bad_new, total=drawn), Counts(bad=bad_old, total=rest))
    if bad_new * everything <= bad * drawn:
        assert found == 1.0
    else:
        assert found == pytest.approx(exact, rel=1e-4)


@given(
    new=st.integers(0, 10**7),
    old=st.integers(0, 10**8),
    bad_new=st.floats(0, 1),
    bad_old=st.floats(0, 1),
    elapsed_s=st.floats(0, 10_000),
    percent=st.sampled_from([0.1, 10.0, 50.0, 100.0]),
)
def test_whatever_was_counted_there_is_a_verdict_and_no_version_as_good_as_the_old_is_stopped_for_being_worse(
    new: int, old: int, bad_new: float, bad_old: float, elapsed_s: float, percent: float
) -> None:
    counted = ((new * bad_new, float(new)), (old * bad_old, float(old)))
    reading = judged(*counted, REFUSED, elapsed_s=elapsed_s, percent=percent)
    assert reading.reason
    if bad_new <= bad_old and "told of" not in reading.reason:
        assert reading.gate is not Gate.BURNING
