"""Writing down what the cache did: one place for the names and labels of its metrics."""

from __future__ import annotations

from lumigate.cache.entry import Entry
from lumigate.cache.lower import L1
from lumigate.cache.memory import REPLACED, MemoryTier
from lumigate.llm.providers import CONVENTIONAL_NAMES
from lumigate.scope import Scope, Step


def record_lookup(scope: Scope, step: Step, tier: str, result: str) -> None:
    labels = {"lumigate.cache.tier": tier, "lumigate.cache.result": result}
    step.span.set_attributes(labels)
    scope.instruments.cache_lookups.add(1, labels)
    seconds = step.seconds
    scope.instruments.cache_duration.record(seconds, labels, span=step.span)
    if tier == L1 and result == "hit":
        scope.facts.l1_ns = round(seconds * 1e9)


def count_savings(scope: Scope, entry: Entry) -> None:
    """What the answer cost the first time, and does not cost again."""
    model = {"gen_ai.provider.name": CONVENTIONAL_NAMES.get(entry.provider, entry.provider)}
    model["gen_ai.request.model"] = entry.model
    if tokens := entry.input_tokens + entry.output_tokens:
        scope.instruments.cache_saved_tokens.add(tokens, model)
    if entry.cost_usd:
        scope.instruments.cache_saved_cost.add(entry.cost_usd, model)


def record_write(scope: Scope, tier: str, result: str) -> None:
    scope.instruments.cache_writes.add(1, {"lumigate.cache.tier": tier, "lumigate.cache.write": result})


def count_evictions(scope: Scope, memory: MemoryTier) -> None:
    """What has left memory since this was asked last; what was replaced has not left."""
    if not memory.left:
        return
    for reason, count in memory.take_left().items():
        if reason != REPLACED:
            labels = {"lumigate.cache.tier": L1, "lumigate.cache.eviction": reason}
            scope.instruments.cache_evictions.add(count, labels)
