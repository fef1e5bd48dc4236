from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.llm.ranking import Standing, rank
from lumigate.model_table import RoutingWeights

WEIGHTS = RoutingWeights()
ONLY = {
    "latency": RoutingWeights(latency=1, cost=0, quality=0),
    "cost": RoutingWeights(latency=0, cost=1, quality=0),
    "quality": RoutingWeights(latency=0, cost=0, quality=1),
}
FAST, CHEAP, GOOD = Standing(100, 0.02, 0.5), Standing(400, 0.01, 0.4), Standing(300, 0.03, 0.9)
STANDINGS = st.lists(
    st.builds(
        Standing,
        st.none() | st.floats(0.1, 1e6),
        st.none() | st.floats(0, 100),
        st.floats(0, 1),
    ),
    min_size=1,
    max_size=20,
)


def order(standings: list[Standing], weights: RoutingWeights = WEIGHTS) -> list[int]:
    return [position for position, _ in rank(standings, weights)]


@pytest.mark.parametrize(("criterion", "first"), [("latency", 0), ("cost", 1), ("quality", 2)])
def test_where_one_thing_counts_the_best_at_it_is_first(criterion: str, first: int) -> None:
    assert order([FAST, CHEAP, GOOD], ONLY[criterion])[0] == first


def test_the_usual_weights_are_forty_thirty_thirty() -> None:
    scores = dict(rank([FAST, CHEAP], WEIGHTS))
    assert scores[0] == pytest.approx(40 + 30 / 2 + 30)
    assert scores[1] == pytest.approx(40 / 4 + 30 + 30 * 0.8)


def test_equals_keep_the_order_of_the_table() -> None:
    assert order([FAST, FAST, FAST]) == [0, 1, 2]


def test_what_nobody_has_measured_is_tried() -> None:
    assert order([FAST, Standing(None, 0.02, 0.5)], ONLY["latency"]) == [1, 0]
    assert order([Standing(150, 0.02, 0.5), Standing(None, 0.02, 0.5), FAST], ONLY["latency"])[0] == 1


@given(STANDINGS)
def test_every_candidate_is_ranked_once_and_scores_fall(standings: list[Standing]) -> None:
    ranked = rank(standings, WEIGHTS)
    assert sorted(position for position, _ in ranked) == list(range(len(standings)))
    scores = [score for _, score in ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 102.0001 for score in scores)


@given(STANDINGS, st.data())
def test_becoming_faster_never_costs_a_place(standings: list[Standing], data: st.DataObject) -> None:
    chosen = data.draw(st.integers(0, len(standings) - 1))
    before = standings[chosen]
    if before.latency_ms is None:
        return
    faster = [*standings]
    faster[chosen] = Standing(before.latency_ms / 2, before.cost_usd, before.quality)
    assert order(faster, ONLY["latency"]).index(chosen) <= order(standings, ONLY["latency"]).index(chosen)
