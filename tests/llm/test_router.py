from __future__ import annotations

import pytest

from lumigate.config import ModelRoute
from lumigate.errors import UnknownModel
from lumigate.llm.chat import ChatRequest
from lumigate.llm.router import Router
from tests.fakes import CHAT_BODY, make_scope, make_settings


def make_router(**models: tuple[ModelRoute, ...]) -> Router:
    settings = make_settings()
    return Router(settings.model_copy(update={"models": models}) if models else settings)


def test_a_policy_changes_when_the_table_does() -> None:
    one = make_router(fast=(ModelRoute(provider="openai", model="a"),)).policy("fast")
    other = make_router(fast=(ModelRoute(provider="openai", model="b"),)).policy("fast")
    assert one != other


@pytest.mark.parametrize(
    ("model", "hint"),
    [("fst", "Did you mean fast?"), ("FAST", "GET /v1/models"), ("\ud800", "GET /v1/models")],
)
def test_an_unknown_model_is_404_with_the_closest_names(model: str, hint: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        make_router().policy(model)
    assert caught.value.status == 404
    assert hint in caught.value.message


def test_the_choice_is_a_span() -> None:
    rig = make_scope()
    (target,) = make_router().choose(rig.scope, ChatRequest.parse(dict(CHAT_BODY)))
    assert (target.route.provider, target.route.model) == ("openai", "gpt-4o-mini")
    assert rig.observed.span("llm.route").attributes == {
        "lumigate.model.alias": "fast",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "lumigate.route.candidates": 1,
        "lumigate.route.order": ["openai/gpt-4o-mini"],
        "lumigate.geo.policy": "none",
        "lumigate.geo.excluded": 0,
    }
    assert rig.observed.total("lumigate.route.duration") == 1


def test_the_cost_is_usage_at_the_tables_prices() -> None:
    target = make_router().targets["fast"][0]
    assert target.cost_usd(1_000_000, 0) == pytest.approx(0.15)
    assert target.cost_usd(0, 1_000_000) == pytest.approx(0.6)
    assert target.cost_usd(1000, 500) == pytest.approx(0.00045)


def test_a_model_without_prices_costs_nothing_that_we_know_of() -> None:
    target = make_router(free=(ModelRoute(provider="openai", model="m"),)).targets["free"][0]
    assert target.cost_usd(1_000_000, 1_000_000) == 0
