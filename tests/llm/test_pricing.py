from __future__ import annotations

import importlib.util

import pytest

from lumigate.config import ModelRoute
from lumigate.llm.price_table import DATE, PRICES, SOURCE
from lumigate.llm.pricing import Prices, Rates, prices_of
from lumigate.llm.provider import Answer
from lumigate.llm.providers import PROVIDERS

RATES = Rates.of((1.0, 0.1, 1.25, 10.0, 20.0))


def cost(prices: Prices, **usage: object) -> float:
    return prices.cost_usd(Answer(**usage)) * 1e6  # type: ignore[arg-type]


def test_each_kind_of_token_has_its_price() -> None:
    prices = Prices(usual=RATES)
    assert cost(prices, input_tokens=100, output_tokens=10) == pytest.approx(100 + 100)
    assert cost(prices, input_tokens=100, cache_read_tokens=60) == pytest.approx(40 + 6)
    assert cost(prices, input_tokens=100, cache_write_tokens=40) == pytest.approx(60 + 50)
    assert cost(prices, input_tokens=0, output_tokens=10, reasoning_tokens=4) == pytest.approx(60 + 80)
    assert cost(prices) == 0


def test_counts_that_contradict_each_other_cost_nothing_below_zero() -> None:
    assert cost(
        Prices(usual=RATES), input_tokens=5, cache_read_tokens=10, reasoning_tokens=9
    ) == pytest.approx(1)


def test_a_price_that_is_not_known_is_that_of_its_kind() -> None:
    assert Rates.of((2.0, None, None, 8.0, None)) == Rates.of((2.0, 2.0, 2.0, 8.0, 8.0))
    assert Rates.of((2.0, None, None, None, None)).output == 0


def test_a_long_prompt_pays_the_higher_tier_for_every_token() -> None:
    prices = Prices(usual=RATES, tiers=((200, Rates.of((2.0, 0.2, None, 15.0, None))),))
    assert cost(prices, input_tokens=200) == pytest.approx(200)
    assert cost(prices, input_tokens=201, output_tokens=1) == pytest.approx(402 + 15)


def test_a_bound_reckons_with_a_prompt_that_is_written_to_a_cache() -> None:
    assert Prices(usual=RATES).bound_usd(1_000_000, 1_000_000) == pytest.approx(1.25 + 20)
    cheap = Rates.of((1.0, 0.1, 0.5, 10.0, 5.0))
    assert Prices(usual=cheap).bound_usd(1_000_000, 1_000_000) == pytest.approx(1 + 10)


def test_a_bound_reckons_with_the_service_tier_that_was_asked_for() -> None:
    prices = Prices(usual=RATES, service=(("priority", Rates.of((2.0, None, None, 30.0, None))),))
    assert prices.bound_usd(1_000_000, 0, "priority") == pytest.approx(2)
    assert prices.bound_usd(1_000_000, 0, "default") == pytest.approx(1.25)
    cheap = Prices(usual=RATES, service=(("flex", Rates.of((0.5, None, None, 5.0, None))),))
    assert cheap.bound_usd(1_000_000, 0, "flex") == pytest.approx(1.25)  # if it is not to be had
    assert prices.bound_usd(1_000_000, 0) == pytest.approx(1.25)


def test_a_service_tier_has_prices_of_its_own() -> None:
    prices = Prices(usual=RATES, service=(("batch", Rates.of((0.5, None, None, 5.0, None))),))
    assert cost(prices, input_tokens=100, service_tier="batch") == pytest.approx(50)
    assert cost(prices, input_tokens=100, service_tier="standard") == pytest.approx(100)


def test_prices_of_the_routing_table_win() -> None:
    route = ModelRoute(provider="openai", model="gpt-4o", input_usd_per_mtok=1, output_usd_per_mtok=2)
    prices = prices_of(route)
    assert prices is not None
    assert cost(prices, input_tokens=10, output_tokens=10) == pytest.approx(30)


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "gpt-4o-mini", (0.15, 0.6)),
        ("openai", "GPT-4o-mini-2024-07-18", (0.15, 0.6)),
        ("anthropic", "claude-haiku-4-5-20251001", (1.0, 5.0)),
        ("google", "gemini-2.5-flash", (0.3, 2.5)),
        ("cohere", "command-a-03-2025", (2.5, 10.0)),
    ],
)
def test_well_known_models_are_in_the_table(provider: str, model: str, expected: tuple[float, float]) -> None:
    prices = prices_of(ModelRoute(provider=provider, model=model))
    assert prices is not None
    assert (prices.usual.input, prices.usual.output) == expected


def test_a_model_that_nobody_knows_has_no_price() -> None:
    assert prices_of(ModelRoute(provider="openai", model="my-own-model")) is None
    assert prices_of(ModelRoute(provider="elsewhere", model="gpt-4o")) is None


def test_the_table_names_its_source_and_covers_the_providers() -> None:
    assert SOURCE.startswith("genai-prices ")
    assert len(DATE) == 10
    # OpenRouter says itself what it took.
    assert set(PROVIDERS) - {"openrouter"} <= set(PRICES)


@pytest.mark.skipif(importlib.util.find_spec("genai_prices") is None, reason="genai-prices is not installed")
def test_the_table_is_what_the_package_says() -> None:
    import importlib.metadata

    from local.prices import TABLE, compile_table

    if f"genai-prices {importlib.metadata.version('genai-prices')}" != SOURCE:
        pytest.skip("another version of the package is installed")
    assert compile_table(DATE) == TABLE.read_text("utf-8")
