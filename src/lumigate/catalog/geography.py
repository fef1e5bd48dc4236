"""Who may answer whom: what the geographic policy decides."""

from __future__ import annotations

from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric

GEO_POLICY = Attribute(
    key="lumigate.geo.policy",
    description="The geographic policy that was applied; `countries` is allow and deny lists alone.",
    values=frozenset({"none", "eu-only", "countries"}),
)
GEO_RESULT = Attribute(
    key="lumigate.geo.result",
    description="`narrowed`: some candidates might not answer this caller; `refused`: none might.",
    values=frozenset({"narrowed", "refused"}),
)
GEO_DECISIONS = Metric(
    name="lumigate.geo.decisions",
    unit="{request}",
    kind=InstrumentKind.COUNTER,
    description="Requests to which the geographic policy made a difference.",
    attributes=(GEO_POLICY, GEO_RESULT),
)
