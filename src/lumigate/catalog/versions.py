"""Requests by the version that served them: what a gradual rollout is judged by (`lumigate rollout`).

Metrics of their own: a version on those that promises are made of would double all their series at each deployment.
An isolate is of one version; a counter shard forgets the series of versions that serve nobody.
"""

from __future__ import annotations

from lumigate.catalog.requests import OUTCOME
from lumigate.catalog.scales import STEP_SECONDS
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric

PROBES = frozenset({"/health", "/metrics"})
"""Routes that no promise about requests counts; neither do these metrics."""
VERSION = Attribute(key="faas.version", description="The Worker's version id.")
VERSION_OUTCOMES = Metric(
    name="lumigate.version.outcomes",
    unit="{request}",
    kind=InstrumentKind.COUNTER,
    description="Requests by version and how their answer ended; health probes and scrapes are left out.",
    attributes=(VERSION, OUTCOME),
    cardinality_limit=20,
)
VERSION_OVERHEAD = Metric(
    name="lumigate.version.overhead",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Request time less the time spent waiting for a provider, by version; probes and scrapes are left out.",
    attributes=(VERSION,),
    buckets=STEP_SECONDS,
    cardinality_limit=20,
)
