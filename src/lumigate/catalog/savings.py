"""What the cache saves: a hit costs nothing, and what it cost the first time is known."""

from __future__ import annotations

from lumigate.catalog.llm import GEN_AI_MODEL, GEN_AI_PROVIDER
from lumigate.telemetry.schema import InstrumentKind, Metric

CACHE_SAVED_TOKENS = Metric(
    name="lumigate.cache.saved.tokens",
    unit="{token}",
    kind=InstrumentKind.COUNTER,
    description="Tokens of prompts and answers that hits did not send to a model again.",
    attributes=(GEN_AI_PROVIDER, GEN_AI_MODEL),
)
CACHE_SAVED_COST = Metric(
    name="lumigate.cache.saved.cost",
    unit="{USD}",
    kind=InstrumentKind.COUNTER,
    description="Money that hits did not spend again: what the answer cost the first time.",
    attributes=(GEN_AI_PROVIDER, GEN_AI_MODEL),
)
