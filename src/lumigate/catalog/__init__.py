"""Every span, metric, wide-event field and Analytics Engine column that Lumigate emits, declared once.

The code obtains its instruments from here; dashboards, SLOs, alerts, SQL, the telemetry reference and the tests are
generated from this file or checked against it. GenAI names follow OpenTelemetry's GenAI semantic conventions, HTTP
names its HTTP conventions; there is none for caches and token checks, so ours are `lumigate.*`.

One module a subject; this one gathers them, and is the only one that others import. What a module declares is listed
by being declared.
"""

from __future__ import annotations

from collections.abc import Iterator

from lumigate.catalog.access import *
from lumigate.catalog.cache import *
from lumigate.catalog.data_point import *
from lumigate.catalog.geography import *
from lumigate.catalog.http import *
from lumigate.catalog.ledger import *
from lumigate.catalog.llm import *
from lumigate.catalog.operations import *
from lumigate.catalog.privacy import *
from lumigate.catalog.region import *
from lumigate.catalog.requests import *
from lumigate.catalog.savings import *
from lumigate.catalog.scales import *
from lumigate.catalog.sessions import *
from lumigate.catalog.versions import *
from lumigate.catalog.wide_event import *
from lumigate.shard.self_metrics import SHARD_METRICS
from lumigate.telemetry.schema import LogEvent, Metric, SpanType
from lumigate.telemetry.self_metrics import SELF_METRICS


def _declared[T](kind: type[T]) -> Iterator[T]:
    return (value for value in globals().values() if isinstance(value, kind))


METRICS: tuple[Metric, ...] = (*_declared(Metric), *SELF_METRICS, *SHARD_METRICS)
SPANS: tuple[SpanType, ...] = tuple(_declared(SpanType))
LOG_EVENTS: tuple[LogEvent, ...] = tuple(_declared(LogEvent))
