"""What the parts of the dashboard share: its queries, its tiers, and what is an answer from the cache."""

from __future__ import annotations

from typing import Final

from dashboards.promql import Prom
from lumigate.catalog import CACHE_OUTCOME, CACHE_TIER, HTTP_ROUTE

Q: Final = Prom({"route": HTTP_ROUTE})
TIERS: Final = tuple(sorted((CACHE_TIER.values or frozenset()) - {"none"}))
SERVED: Final = tuple(sorted((CACHE_OUTCOME.values or frozenset()) - {"miss", "bypass"}))
"""Outcomes in which the cache answered: fresh, stale or near."""


def by_tier(*values: str) -> list[str]:
    """The names that series by tier and another attribute have."""
    return [f"{tier} · {value}" for tier in TIERS for value in values]
