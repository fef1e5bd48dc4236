"""The cache: lookups, writes, evictions, purges. There is no convention for caches: ours are `lumigate.cache.*`."""

from __future__ import annotations

from lumigate.catalog.http import ERROR_TYPE, HTTP_ROUTE
from lumigate.catalog.scales import STEP_SECONDS
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric, SpanType

CACHE_TIER = Attribute(
    key="lumigate.cache.tier",
    description="l1: isolate memory; l2: KV; l3: R2; vectors: the index of near prompts; none: no tier was asked.",
    values=frozenset({"l1", "l2", "l3", "vectors", "none"}),
)
CACHE_RESULT = Attribute(
    key="lumigate.cache.result",
    description="What the tier said; `skipped`: its breaker is open; `bypass`: the cache may not be asked.",
    values=frozenset({"hit", "stale", "near", "miss", "expired", "error", "skipped", "bypass"}),
)
WRITE_RESULT = Attribute(
    key="lumigate.cache.write",
    description="What became of a write; `refused` is larger than the tier takes.",
    values=frozenset({"stored", "refused", "error"}),
)
CACHE_OUTCOME = Attribute(
    key="lumigate.cache.outcome",
    description="What the tiers together said; also the header x-lumigate-cache.",
    values=frozenset(
        {
            *("hit-l1", "hit-l2", "hit-l3", "stale-l1", "stale-l2", "stale-l3"),
            *("near-l1", "near-l2", "miss", "bypass"),
        }
    ),
)
EVICTION_REASON = Attribute(
    key="lumigate.cache.eviction",
    description="Why an entry left: for want of room, past its time, or purged.",
    values=frozenset({"capacity", "expired", "purged"}),
)
CACHE_FLOW = Attribute(
    key="lumigate.cache.flow",
    description="Which way the bytes went.",
    values=frozenset({"read", "written"}),
)
CACHE_WAIT = Attribute(
    key="lumigate.cache.wait",
    description="How waiting for another request of the isolate that asks the same ended.",
    values=frozenset({"answered", "took_over", "timeout"}),
)
CACHE_BREAKER = Attribute(
    key="lumigate.cache.breaker",
    description="The state that a tier's breaker changed to.",
    values=frozenset({"open", "half_open", "closed"}),
)
BYPASS_REASON = Attribute(
    key="lumigate.cache.bypass",
    description="Why the cache may not be asked: the caller's wish, or the rule that forbids it.",
    values=frozenset({"no-store", "no-cache", "route", "temperature", "stream", "tools"}),
)
PURGE_KIND = Attribute(
    key="lumigate.cache.purge",
    description="What was purged.",
    values=frozenset({"key", "tenant", "model", "tag", "all", "erase"}),
)
REVALIDATION = Attribute(
    key="lumigate.cache.revalidation",
    description="What became of asking anew for a stale answer; `found`: another isolate had asked already.",
    values=frozenset({"refreshed", "found", "failed"}),
)
CACHE_LOOKUPS = Metric(
    name="lumigate.cache.lookups",
    unit="{lookup}",
    kind=InstrumentKind.COUNTER,
    description="Lookups by tier and result.",
    attributes=(CACHE_TIER, CACHE_RESULT),
)
CACHE_DURATION = Metric(
    name="lumigate.cache.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Time a tier took to answer.",
    attributes=(CACHE_TIER, CACHE_RESULT),
    buckets=STEP_SECONDS,
)
CACHE_OUTCOMES = Metric(
    name="lumigate.cache.outcomes",
    unit="{request}",
    kind=InstrumentKind.COUNTER,
    description="Requests by what the cache as a whole said.",
    attributes=(HTTP_ROUTE, CACHE_OUTCOME),
)
CACHE_WRITES = Metric(
    name="lumigate.cache.writes",
    unit="{write}",
    kind=InstrumentKind.COUNTER,
    description="Complete answers stored, by tier and result.",
    attributes=(CACHE_TIER, WRITE_RESULT),
)
CACHE_EVICTIONS = Metric(
    name="lumigate.cache.evictions",
    unit="{entry}",
    kind=InstrumentKind.COUNTER,
    description="Entries that left isolate memory, by reason.",
    attributes=(CACHE_TIER, EVICTION_REASON),
)
CACHE_BYTES = Metric(
    name="lumigate.cache.bytes",
    unit="By",
    kind=InstrumentKind.COUNTER,
    description="Bytes of entries read from and written to a tier.",
    attributes=(CACHE_TIER, CACHE_FLOW),
)
CACHE_PROMOTIONS = Metric(
    name="lumigate.cache.promotions",
    unit="{entry}",
    kind=InstrumentKind.COUNTER,
    description="Hits that moved up, by the tier they were found in.",
    attributes=(CACHE_TIER,),
)
CACHE_WAITS = Metric(
    name="lumigate.cache.waits",
    unit="{wait}",
    kind=InstrumentKind.COUNTER,
    description="Requests that waited for another that asked the same, by how that ended.",
    attributes=(CACHE_WAIT,),
)
CACHE_BREAKER_CHANGES = Metric(
    name="lumigate.cache.breaker.changes",
    unit="{change}",
    kind=InstrumentKind.COUNTER,
    description="Changes of the breakers of tiers, by the state they changed to; each isolate has its own.",
    attributes=(CACHE_TIER, CACHE_BREAKER),
)
CACHE_REVALIDATIONS = Metric(
    name="lumigate.cache.revalidations",
    unit="{revalidation}",
    kind=InstrumentKind.COUNTER,
    description="Stale answers that were asked for anew in the background, by what became of it.",
    attributes=(REVALIDATION,),
)
CACHE_BYPASSES = Metric(
    name="lumigate.cache.bypasses",
    unit="{request}",
    kind=InstrumentKind.COUNTER,
    description="Requests that may not be answered from the cache, by reason.",
    attributes=(BYPASS_REASON,),
)
CACHE_PURGES = Metric(
    name="lumigate.cache.purges",
    unit="{purge}",
    kind=InstrumentKind.COUNTER,
    description="Purges by kind.",
    attributes=(PURGE_KIND,),
)
CACHE_KEY = Attribute(key="lumigate.cache.key", description="The first 16 hex digits of the entry's key.")
CACHE_SIMILARITY = Attribute(
    key="lumigate.cache.similarity", description="How near a near match is, 0 to 1.", type=float
)
CACHE_SPAN = SpanType(
    name="cache.lookup",
    kind="internal",
    description="All tiers, fastest first.",
    attributes=(
        CACHE_OUTCOME,
        CACHE_KEY,
        CACHE_SIMILARITY,
        Attribute(
            key="lumigate.cache.negative",
            description="Whether it is a refusal of the provider that is remembered.",
            type=bool,
        ),
    ),
)
CACHE_NEAR_SPAN = SpanType(
    name="cache.near",
    kind="internal",
    description="Reading the answer for a prompt that is near this one.",
    attributes=(CACHE_TIER, CACHE_RESULT, CACHE_SIMILARITY, ERROR_TYPE),
)
CACHE_VECTORS_SPAN = SpanType(
    name="cache.vectors",
    kind="internal",
    description="Asking a vector index for prompts that mean the same, the embedding of this one included.",
    attributes=(CACHE_TIER, CACHE_RESULT, CACHE_SIMILARITY, ERROR_TYPE),
    events=("exception",),
)
CACHE_EMBED_SPAN = SpanType(
    name="cache.embed",
    kind="internal",
    description="Asking a model for the embedding of a prompt, for near matches; linked to the request.",
    attributes=(ERROR_TYPE,),
    events=("exception",),
)
CACHE_WAIT_SPAN = SpanType(
    name="cache.wait",
    kind="internal",
    description="Waiting for another request of the isolate that asks the same already.",
    attributes=(CACHE_WAIT, ERROR_TYPE),
)
CACHE_REVALIDATE_SPAN = SpanType(
    name="cache.revalidate",
    kind="internal",
    description="Asking anew for a stale answer that was served, in the background; linked to the request.",
    attributes=(CACHE_KEY, REVALIDATION, ERROR_TYPE),
    events=("exception",),
)
CACHE_TIER_SPAN = SpanType(
    name="cache.{lumigate.cache.tier}",
    kind="internal",
    description="One tier's answer.",
    attributes=(CACHE_TIER, CACHE_RESULT, ERROR_TYPE),
)
