"""The cache: lookups by tier, writes, evictions. There is no convention for caches: ours are `lumigate.cache.*`."""

from __future__ import annotations

from lumigate.catalog.http import ERROR_TYPE, HTTP_ROUTE
from lumigate.catalog.scales import STEP_SECONDS
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric, SpanType

CACHE_TIER = Attribute(
    key="lumigate.cache.tier",
    description="l1: isolate memory; l2: KV.",
    values=frozenset({"l1", "l2"}),
)
CACHE_RESULT = Attribute(
    key="lumigate.cache.result",
    description="What the tier said.",
    values=frozenset({"hit", "miss", "expired", "error"}),
)
WRITE_RESULT = Attribute(
    key="lumigate.cache.write",
    description="What became of a write; `refused` is larger than the tier takes.",
    values=frozenset({"stored", "refused", "error"}),
)
CACHE_OUTCOME = Attribute(
    key="lumigate.cache.outcome",
    description="What the tiers together said; also the header x-lumigate-cache.",
    values=frozenset({"hit-l1", "hit-l2", "miss", "bypass"}),
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
    description="Entries that left isolate memory before their time, for want of room.",
)
CACHE_SPAN = SpanType(
    name="cache.lookup",
    kind="internal",
    description="All tiers, fastest first.",
    attributes=(
        CACHE_OUTCOME,
        Attribute(key="lumigate.cache.key", description="The first 16 hex digits of the entry's key."),
    ),
)
CACHE_TIER_SPAN = SpanType(
    name="cache.{lumigate.cache.tier}",
    kind="internal",
    description="One tier's answer.",
    attributes=(CACHE_TIER, CACHE_RESULT, ERROR_TYPE),
)
