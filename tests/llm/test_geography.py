from __future__ import annotations

import pytest

from lumigate.config import ModelRoute
from lumigate.llm.geography import EEA, GeographicPolicy

EU_ROUTE = ModelRoute(provider="mistral", model="m", region="eu")
US_ROUTE = ModelRoute(provider="openai", model="m", region="us")


@pytest.mark.parametrize(
    ("country", "permitted"), [("DE", False), ("NO", False), ("US", True), ("GB", True), ("CH", True)]
)
def test_eu_only_keeps_callers_of_the_eea_with_candidates_in_the_eu(country: str, permitted: bool) -> None:
    policy = GeographicPolicy(policy="eu-only")
    assert policy.permits(country, EU_ROUTE)
    assert policy.permits(country, US_ROUTE) is permitted


@pytest.mark.parametrize("country", ["", "XX", "T1"])
def test_a_country_that_is_not_known_is_the_strictest_case(country: str) -> None:
    assert not GeographicPolicy(policy="eu-only").permits(country, US_ROUTE)
    assert not GeographicPolicy(allow=frozenset({"DE"})).serves(country)


def test_lists_of_countries_allow_and_deny() -> None:
    allowing, denying = GeographicPolicy(allow=frozenset({"DE"})), GeographicPolicy(deny=frozenset({"DE"}))
    assert (allowing.serves("DE"), allowing.serves("FR")) == (True, False)
    assert (denying.serves("DE"), denying.serves("FR"), denying.serves("")) == (False, True, True)


def test_a_candidate_may_have_lists_of_its_own() -> None:
    policy = GeographicPolicy()
    only = ModelRoute(provider="openai", model="m", allow_countries=("DE",))
    but = ModelRoute(provider="openai", model="m", deny_countries=("DE",))
    assert (policy.permits("DE", only), policy.permits("FR", only)) == (True, False)
    assert (policy.permits("DE", but), policy.permits("FR", but)) == (False, True)


def test_the_eea_is_the_eu_and_three_more() -> None:
    assert len(EEA) == 30
