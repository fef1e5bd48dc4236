"""What is told of a request as a whole: its server span, its duration, its outcome, what it cost."""

from __future__ import annotations

from lumigate.catalog.cache import CACHE_OUTCOME
from lumigate.catalog.http import ERROR_TYPE, HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS
from lumigate.catalog.region import REGION
from lumigate.catalog.scales import COST_USD, HTTP_SECONDS, STEP_SECONDS
from lumigate.catalog.sessions import CONVERSATION_ID
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric, SpanType

OUTCOME = Attribute(
    key="lumigate.outcome",
    description="How the answer ended.",
    values=frozenset({"complete", "refused", "client_abort", "upstream_error", "truncated", "error"}),
)
TENANT_CLASS = Attribute(
    key="lumigate.tenant.class", description="The class of the tenant; bounded by the settings."
)
REQUEST_DURATION = Metric(
    name="http.server.request.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="From the request's arrival to the last byte of its answer.",
    attributes=(HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS, ERROR_TYPE),
    buckets=HTTP_SECONDS,
)
GATEWAY_OVERHEAD = Metric(
    name="lumigate.gateway.overhead",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Request time less the time spent waiting for a provider.",
    attributes=(HTTP_ROUTE,),
    buckets=STEP_SECONDS,
)
TELEMETRY_OVERHEAD = Metric(
    name="lumigate.request.telemetry.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="What telling how a request ended added to its response: recording, writing, handing over the flush.",
    attributes=(HTTP_ROUTE,),
    buckets=STEP_SECONDS,
)
OUTCOMES = Metric(
    name="lumigate.request.outcomes",
    unit="{request}",
    kind=InstrumentKind.COUNTER,
    description="Requests by how their answer ended.",
    attributes=(HTTP_ROUTE, OUTCOME),
)
REQUEST_COST = Metric(
    name="lumigate.request.cost",
    unit="{USD}",
    kind=InstrumentKind.HISTOGRAM,
    description="What a request cost, over all its model calls; a cache hit costs nothing.",
    attributes=(HTTP_ROUTE,),
    buckets=COST_USD,
)
SERVER_SPAN = SpanType(
    name="{http.request.method} {http.route}",
    kind="server",
    description="A request, from its arrival to the last byte of its answer.",
    attributes=(
        HTTP_METHOD,
        HTTP_ROUTE,
        HTTP_STATUS,
        ERROR_TYPE,
        OUTCOME,
        CACHE_OUTCOME,
        CONVERSATION_ID,
        Attribute(
            key="http.request.method_original", description="The method, where it is none that is known."
        ),
        Attribute(key="url.path", description="The path asked for, without its query."),
        Attribute(key="url.scheme", description="http or https."),
        Attribute(key="user_agent.original", description="The caller's user-agent header."),
        Attribute(key="lumigate.request.id", description="The id in the answer's x-request-id header."),
        REGION,
        Attribute(key="lumigate.tenant", description="Who pays: the tenant of the token or key."),
        Attribute(key="geo.country.iso_code", description="The caller's country, as Cloudflare sees it."),
        Attribute(key="cloudflare.colo", description="The data centre that served the request."),
    ),
    events=("exception", "policy.decision", "revocation.check"),
)
