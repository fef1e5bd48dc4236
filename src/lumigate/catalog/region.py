"""Requests whose data must stay in a region."""

from __future__ import annotations

from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric

REGION = Attribute(
    key="lumigate.region", description="The region that the data must stay in.", values=frozenset({"eu"})
)
REGION_SOURCE = Attribute(
    key="lumigate.region.source",
    description="Who says so: the settings for the tenant, a claim of the token, or the request's header.",
    values=frozenset({"tenant", "claim", "header"}),
)
REGION_RESULT = Attribute(
    key="lumigate.region.result",
    description="`confined`: the request was bound to the region; `refused`: nobody there could answer it.",
    values=frozenset({"confined", "refused"}),
)
REGION_DECISIONS = Metric(
    name="lumigate.region.decisions",
    unit="{request}",
    kind=InstrumentKind.COUNTER,
    description="Requests bound to a region, and those of them that were refused (counted as both).",
    attributes=(REGION, REGION_SOURCE, REGION_RESULT),
)
