"""Every span, metric, wide-event field and Analytics Engine column that Lumigate emits, declared once.

The code obtains its instruments from here; dashboards, SLOs, alerts, SQL, the telemetry reference and the tests are
generated from this file or checked against it. GenAI names follow OpenTelemetry's GenAI semantic conventions, HTTP
names its HTTP conventions; there is none for caches and token checks, so ours are `lumigate.*`.
"""

from __future__ import annotations

from lumigate.shard.self_metrics import SHARD_METRICS
from lumigate.telemetry.schema import Attribute, EventField, InstrumentKind, Metric, PointColumn, SpanType
from lumigate.telemetry.self_metrics import SELF_METRICS

# --- attributes ------------------------------------------------------------------------------------------------------

HTTP_METHOD = Attribute(
    key="http.request.method",
    description="The request method.",
    values=frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "_OTHER"}),
)
HTTP_ROUTE = Attribute(
    key="http.route",
    description="The route's template; empty where none matched.",
    values=frozenset(
        {"/health", "/metrics", "/v1/chat/completions", "/v1/messages", "/v1/embeddings", "/v1/models", ""}
    ),
)
HTTP_STATUS = Attribute(
    key="http.response.status_code", description="The status that was answered.", type=int
)
ERROR_TYPE = Attribute(key="error.type", description="The error's stable code; absent on success.")

AUTH_METHOD = Attribute(
    key="lumigate.auth.method",
    description="What the caller showed.",
    values=frozenset({"bearer", "api_key", "none"}),
)
AUTH_RESULT = Attribute(
    key="lumigate.auth.result",
    description="What came of the check.",
    values=frozenset({"allowed", "denied"}),
)
AUTH_REASON = Attribute(
    key="lumigate.auth.reason",
    description="Why; `ok` when allowed.",
    values=frozenset(
        {
            "ok",
            "missing",
            "malformed",
            "unsupported_algorithm",
            "unknown_key",
            "bad_signature",
            "expired",
            "not_yet_valid",
            "wrong_issuer",
            "wrong_audience",
            "unknown_api_key",
            "keys_unavailable",
        }
    ),
)
KEY_SET_RESULT = Attribute(
    key="lumigate.key_set.result",
    description="What fetching the issuer's keys gave.",
    values=frozenset({"ok", "timeout", "connection", "bad_status", "bad_content"}),
)
LIMIT_RESULT = Attribute(
    key="lumigate.rate_limit.result",
    description="What the limiter said; `unavailable` lets the request pass.",
    values=frozenset({"allowed", "limited", "unavailable"}),
)
PERSONAL_DATA_KIND = Attribute(
    key="lumigate.privacy.kind",
    description="What was found.",
    values=frozenset(
        {
            *("private_key", "jwt", "api_key", "secret", "email", "iban", "card"),
            *("my_number", "ssn", "ip", "phone"),
        }
    ),
)
PRIVACY_POLICY = Attribute(
    key="lumigate.privacy.policy",
    description="What is done about it.",
    values=frozenset({"mask", "tokens", "block"}),
)
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
GEN_AI_OPERATION = Attribute(
    key="gen_ai.operation.name",
    description="The operation asked for.",
    values=frozenset({"chat", "embeddings"}),
)
GEN_AI_PROVIDER = Attribute(
    key="gen_ai.provider.name",
    description="Who answered, by the conventions' names where there is one.",
    values=frozenset(
        {
            *("openai", "anthropic", "gcp.gemini", "cohere", "mistral_ai", "openrouter", "workers_ai"),
            # Well-known to the conventions, for providers that an operator adds under these names.
            *("azure.ai.openai", "azure.ai.inference", "aws.bedrock", "gcp.vertex_ai", "gcp.gen_ai"),
            *("deepseek", "groq", "ibm.watsonx.ai", "perplexity", "x_ai", "moonshot_ai"),
        }
    ),
)
GEN_AI_MODEL = Attribute(
    key="gen_ai.request.model",
    description="The model asked of the provider; bounded by the routing table.",
)
GEN_AI_RESPONSE_MODEL = Attribute(key="gen_ai.response.model", description="The model that says it answered.")
ATTEMPT_RESULT = Attribute(
    key="lumigate.llm.result",
    description="What became of the attempt.",
    values=frozenset(
        {
            "ok",
            "upstream_timeout",
            "upstream_unreachable",
            "upstream_bad_answer",
            "upstream_failed",
            "upstream_rate_limited",
            "upstream_refused",
            "client_abort",
            "hedge_lost",
            "truncated",
            "internal_error",
        }
    ),
)
FALLBACK_REASON = Attribute(
    key="lumigate.llm.fallback.reason",
    description="Why a candidate was left for the next.",
    values=frozenset(
        {
            "upstream_timeout",
            "upstream_unreachable",
            "upstream_bad_answer",
            "upstream_failed",
            "upstream_rate_limited",
            "upstream_refused",
        }
    ),
)
OUTCOME = Attribute(
    key="lumigate.outcome",
    description="How the answer ended.",
    values=frozenset({"complete", "refused", "client_abort", "upstream_error", "truncated", "error"}),
)
WORKER_OUTCOME = Attribute(
    key="lumigate.worker.outcome",
    description="How the runtime says an invocation ended.",
    values=frozenset(
        {
            "exception",
            "exceededCpu",
            "exceededMemory",
            "canceled",
            "responseStreamDisconnected",
            "scriptNotFound",
            "loadShed",
            "killSwitch",
            "daemonDown",
            "internalError",
            "unknown",
        }
    ),
)
WORKER_KIND = Attribute(
    key="lumigate.worker.kind",
    description="What was invoked.",
    values=frozenset({"fetch", "cron", "alarm", "rpc", "queue"}),
)
WORKER_REPORTED = Attribute(
    key="lumigate.worker.reported",
    description="Whether the invocation had written its wide event before it died.",
    values=frozenset({"yes", "no"}),
)
DEPLOY_RESULT = Attribute(
    key="lumigate.deploy.result",
    description="What became of a deployment.",
    values=frozenset({"kept", "rolled_back"}),
)
BATCH_RESULT = Attribute(
    key="lumigate.metrics.result",
    description="What the shard said; `unanswered` ones are sent again, `expired` and `refused` ones are not.",
    values=frozenset({"stored", "duplicate", "refused", "unanswered", "expired"}),
)
COST_SOURCE = Attribute(
    key="lumigate.llm.cost.source",
    description="How the cost is known: from usage, from the provider's own figure, or estimated for want of usage.",
    values=frozenset({"usage", "provider", "estimated"}),
)
TENANT_CLASS = Attribute(
    key="lumigate.tenant.class", description="The class of the tenant; bounded by the settings."
)
MODULE = Attribute(key="lumigate.module", description="A module that could not be imported.")

# --- metrics ---------------------------------------------------------------------------------------------------------

HTTP_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""HTTP semantic conventions, `http.server.request.duration`."""
GEN_AI_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""GenAI semantic conventions, the client metrics."""
STEP_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.5)
"""For steps inside the gateway; holds every threshold that a promise in `slo/` names."""

COST_USD = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""What a request may cost; holds the threshold that a promise in `slo/` names."""

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
AUTH_CHECKS = Metric(
    name="lumigate.auth.checks",
    unit="{check}",
    kind=InstrumentKind.COUNTER,
    description="Token and key checks by reason.",
    attributes=(AUTH_METHOD, AUTH_RESULT, AUTH_REASON),
)
AUTH_DURATION = Metric(
    name="lumigate.auth.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Time a token or key check took, fetching keys included.",
    attributes=(AUTH_METHOD, AUTH_RESULT),
    buckets=STEP_SECONDS,
)
KEY_SET_FETCHES = Metric(
    name="lumigate.key_set.fetches",
    unit="{fetch}",
    kind=InstrumentKind.COUNTER,
    description="Fetches of an issuer's key set by result.",
    attributes=(KEY_SET_RESULT,),
)
RATE_LIMIT_DECISIONS = Metric(
    name="lumigate.rate_limit.decisions",
    unit="{decision}",
    kind=InstrumentKind.COUNTER,
    description="Decisions of the rate limiter.",
    attributes=(LIMIT_RESULT,),
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
PERSONAL_DATA_DURATION = Metric(
    name="lumigate.privacy.check.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Time it took to look for personal data in a request.",
    buckets=STEP_SECONDS,
)
PERSONAL_DATA_FINDINGS = Metric(
    name="lumigate.privacy.findings",
    unit="{finding}",
    kind=InstrumentKind.COUNTER,
    description="Personal data found in requests, by kind.",
    attributes=(PERSONAL_DATA_KIND,),
)
ROUTE_DURATION = Metric(
    name="lumigate.route.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Time it took to choose a provider.",
    buckets=STEP_SECONDS,
)
LLM_DURATION = Metric(
    name="gen_ai.client.inference.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="A model call, to the last byte of its answer.",
    attributes=(GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL, ERROR_TYPE),
    buckets=GEN_AI_SECONDS,
)
LLM_FIRST_CHUNK = Metric(
    name="gen_ai.client.inference.time_to_first_chunk",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="A streamed model call, to the first event of its answer.",
    attributes=(GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL),
    buckets=GEN_AI_SECONDS,
)
LLM_INPUT_TOKENS = Metric(
    name="gen_ai.client.inference.usage.input_tokens",
    unit="{token}",
    kind=InstrumentKind.COUNTER,
    description="Tokens in prompts, as the provider counted them.",
    attributes=(GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL),
)
LLM_OUTPUT_TOKENS = Metric(
    name="gen_ai.client.inference.usage.output_tokens",
    unit="{token}",
    kind=InstrumentKind.COUNTER,
    description="Tokens in answers, as the provider counted them.",
    attributes=(GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL),
)
LLM_CACHE_READ_TOKENS = Metric(
    name="gen_ai.client.inference.usage.cache_read.input_tokens",
    unit="{token}",
    kind=InstrumentKind.COUNTER,
    description="Tokens of prompts that providers read from their caches.",
    attributes=(GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL),
)
LLM_CACHE_WRITE_TOKENS = Metric(
    name="gen_ai.client.inference.usage.cache_write.input_tokens",
    unit="{token}",
    kind=InstrumentKind.COUNTER,
    description="Tokens of prompts that providers wrote to their caches.",
    attributes=(GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL),
)
LLM_REASONING_TOKENS = Metric(
    name="gen_ai.client.inference.usage.reasoning.output_tokens",
    unit="{token}",
    kind=InstrumentKind.COUNTER,
    description="Tokens of answers that were spent on reasoning.",
    attributes=(GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL),
)
LLM_CHUNK_TIME = Metric(
    name="gen_ai.client.inference.time_per_output_chunk",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="A streamed model call: each chunk after the first, since the one before it.",
    attributes=(GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL),
    buckets=GEN_AI_SECONDS,
)
LLM_UNPRICED = Metric(
    name="lumigate.llm.unpriced",
    unit="{call}",
    kind=InstrumentKind.COUNTER,
    description="Model calls whose cost is not known, for want of a price.",
    attributes=(GEN_AI_PROVIDER, GEN_AI_MODEL),
)
LLM_ATTEMPTS = Metric(
    name="lumigate.llm.attempts",
    unit="{attempt}",
    kind=InstrumentKind.COUNTER,
    description="Model calls by what became of them.",
    attributes=(GEN_AI_PROVIDER, GEN_AI_MODEL, ATTEMPT_RESULT),
)
LLM_FALLBACKS = Metric(
    name="lumigate.llm.fallbacks",
    unit="{fallback}",
    kind=InstrumentKind.COUNTER,
    description="Candidates left for the next, by whom was left and why.",
    attributes=(GEN_AI_PROVIDER, GEN_AI_MODEL, FALLBACK_REASON),
)
LLM_COST = Metric(
    name="lumigate.llm.cost",
    unit="{USD}",
    kind=InstrumentKind.COUNTER,
    description="Money spent on model calls, from real usage and the routing table's prices.",
    attributes=(GEN_AI_PROVIDER, GEN_AI_MODEL, COST_SOURCE, TENANT_CLASS),
)
REQUEST_COST = Metric(
    name="lumigate.request.cost",
    unit="{USD}",
    kind=InstrumentKind.HISTOGRAM,
    description="What a request cost, over all its model calls; a cache hit costs nothing.",
    attributes=(HTTP_ROUTE,),
    buckets=COST_USD,
)
DEPLOYS = Metric(
    name="lumigate.deploys",
    unit="{deploy}",
    kind=InstrumentKind.COUNTER,
    description="Deployments by what became of them: counted once it is settled.",
    attributes=(DEPLOY_RESULT,),
)
METRIC_BATCHES = Metric(
    name="lumigate.metrics.batches",
    unit="{batch}",
    kind=InstrumentKind.COUNTER,
    description="Batches of deltas that isolates sent to a counter shard, by what became of them.",
    attributes=(BATCH_RESULT,),
)
IMPORT_FAILURES = Metric(
    name="lumigate.worker.import_failures",
    unit="{failure}",
    kind=InstrumentKind.COUNTER,
    description="Imports that failed at run time: the bundle lacks a module.",
    attributes=(MODULE,),
    cardinality_limit=50,
)
LOST_INVOCATIONS = Metric(
    name="lumigate.worker.lost_invocations",
    unit="{invocation}",
    kind=InstrumentKind.COUNTER,
    description="Invocations that the runtime ended, as the Tail Worker saw them.",
    attributes=(WORKER_OUTCOME, WORKER_REPORTED),
)
HEARTBEAT = Metric(
    name="lumigate.heartbeat",
    unit="{beat}",
    kind=InstrumentKind.COUNTER,
    description="One a cron run: tells an idle service from a broken one.",
)

METRICS: tuple[Metric, ...] = (
    REQUEST_DURATION,
    GATEWAY_OVERHEAD,
    TELEMETRY_OVERHEAD,
    OUTCOMES,
    AUTH_CHECKS,
    AUTH_DURATION,
    KEY_SET_FETCHES,
    RATE_LIMIT_DECISIONS,
    CACHE_LOOKUPS,
    CACHE_DURATION,
    CACHE_OUTCOMES,
    CACHE_WRITES,
    CACHE_EVICTIONS,
    PERSONAL_DATA_DURATION,
    PERSONAL_DATA_FINDINGS,
    ROUTE_DURATION,
    LLM_DURATION,
    LLM_FIRST_CHUNK,
    LLM_INPUT_TOKENS,
    LLM_OUTPUT_TOKENS,
    LLM_CACHE_READ_TOKENS,
    LLM_CACHE_WRITE_TOKENS,
    LLM_REASONING_TOKENS,
    LLM_CHUNK_TIME,
    LLM_UNPRICED,
    LLM_ATTEMPTS,
    LLM_FALLBACKS,
    LLM_COST,
    REQUEST_COST,
    DEPLOYS,
    METRIC_BATCHES,
    IMPORT_FAILURES,
    LOST_INVOCATIONS,
    HEARTBEAT,
    *SELF_METRICS,
    *SHARD_METRICS,
)

# --- spans -----------------------------------------------------------------------------------------------------------

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
        Attribute(
            key="http.request.method_original", description="The method, where it is none that is known."
        ),
        Attribute(key="url.path", description="The path asked for, without its query."),
        Attribute(key="url.scheme", description="http or https."),
        Attribute(key="user_agent.original", description="The caller's user-agent header."),
        Attribute(key="lumigate.request.id", description="The id in the answer's x-request-id header."),
        Attribute(key="lumigate.tenant", description="Who pays: the tenant of the token or key."),
        Attribute(key="geo.country.iso_code", description="The caller's country, as Cloudflare sees it."),
        Attribute(key="cloudflare.colo", description="The data centre that served the request."),
    ),
    events=("exception",),
)
AUTH_SPAN = SpanType(
    name="auth.check",
    kind="internal",
    description="Who is calling, and may they.",
    attributes=(AUTH_METHOD, AUTH_RESULT, AUTH_REASON),
)
KEY_SET_SPAN = SpanType(
    name="auth.keys.fetch",
    kind="client",
    description="Fetching the issuer's key set.",
    attributes=(KEY_SET_RESULT, HTTP_STATUS, ERROR_TYPE),
)
RATE_LIMIT_SPAN = SpanType(
    name="rate_limit.check",
    kind="internal",
    description="Asking the rate limiter.",
    attributes=(LIMIT_RESULT,),
)
PRIVACY_SPAN = SpanType(
    name="privacy.check",
    kind="internal",
    description="Looking for personal data in a request; only where a policy asks for it.",
    attributes=(
        PRIVACY_POLICY,
        ERROR_TYPE,
        Attribute(key="lumigate.privacy.findings", description="How much was found.", type=int),
    ),
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
ROUTE_SPAN = SpanType(
    name="llm.route",
    kind="internal",
    description="Choosing a provider for the model asked for.",
    attributes=(
        GEN_AI_PROVIDER,
        GEN_AI_MODEL,
        ERROR_TYPE,
        Attribute(key="lumigate.model.alias", description="The model name the caller used."),
        Attribute(key="lumigate.route.candidates", description="How many the name stands for.", type=int),
        Attribute(key="lumigate.route.order", description="Those that may answer, best first."),
        Attribute(key="lumigate.route.failing", description="Providers that are passed over for now."),
        Attribute(key="lumigate.geo.policy", description="The geographic policy that was applied."),
        Attribute(key="lumigate.geo.excluded", description="Candidates it ruled out.", type=int),
    ),
)
CHAT_SPAN = SpanType(
    name="{gen_ai.operation.name} {gen_ai.request.model}",
    kind="client",
    description="One attempt at one provider, to the last byte of its answer.",
    attributes=(
        GEN_AI_OPERATION,
        GEN_AI_PROVIDER,
        GEN_AI_MODEL,
        GEN_AI_RESPONSE_MODEL,
        ERROR_TYPE,
        HTTP_STATUS,
        OUTCOME,
        Attribute(key="server.address", description="The provider's host."),
        Attribute(key="gen_ai.response.id", description="The provider's id of the answer."),
        Attribute(key="gen_ai.response.finish_reasons", description="Why the model stopped, one a choice."),
        Attribute(key="gen_ai.request.stream", description="Whether a stream was asked for.", type=bool),
        Attribute(key="gen_ai.request.max_tokens", description="The cap on the answer's tokens.", type=int),
        Attribute(key="gen_ai.request.temperature", description="The temperature asked for.", type=float),
        Attribute(key="gen_ai.request.top_p", description="The nucleus asked for.", type=float),
        Attribute(key="gen_ai.usage.input_tokens", description="Tokens in the prompt.", type=int),
        Attribute(key="gen_ai.usage.output_tokens", description="Tokens in the answer.", type=int),
        Attribute(
            key="gen_ai.usage.cache_read.input_tokens",
            description="Read from the provider's cache.",
            type=int,
        ),
        Attribute(
            key="gen_ai.usage.cache_creation.input_tokens",
            description="Written to the provider's cache.",
            type=int,
        ),
        Attribute(key="gen_ai.usage.reasoning.output_tokens", description="Spent on reasoning.", type=int),
        Attribute(
            key="gen_ai.input.messages", description="The prompt, where a setting asks for it; masked."
        ),
        Attribute(
            key="gen_ai.output.messages", description="The answer, where a setting asks for it; masked."
        ),
        Attribute(
            key="gen_ai.usage.cost", description="What the call cost, USD, where Langfuse looks.", type=float
        ),
        Attribute(key="session.id", description="The conversation again, where Langfuse looks."),
        Attribute(
            key="user.id", description="The first 16 hex digits of the SHA-256 of the caller's subject."
        ),
        Attribute(key="gen_ai.conversation.id", description="The conversation, where the caller names it."),
        Attribute(key="lumigate.llm.cost", description="What the call cost, USD.", type=float),
        COST_SOURCE,
        Attribute(key="lumigate.llm.attempt", description="1 for the first attempt.", type=int),
        Attribute(key="lumigate.llm.first_chunk_ms", description="Time to the first event, ms.", type=float),
        Attribute(key="lumigate.llm.provider_request_id", description="The provider's request id header."),
    ),
)
LOST_SPAN = SpanType(
    name="lost {lumigate.worker.kind}",
    kind="server",
    description="An invocation that died before it could report, as the Tail Worker saw it.",
    attributes=(
        HTTP_METHOD,
        HTTP_ROUTE,
        ERROR_TYPE,
        WORKER_KIND,
        WORKER_OUTCOME,
        Attribute(key="url.path", description="The path asked for, without its query."),
        Attribute(key="lumigate.worker.entrypoint", description="The class that was invoked."),
        Attribute(key="lumigate.worker.cpu_ms", description="CPU time used, ms.", type=float),
        Attribute(key="faas.name", description="The Worker's name."),
        Attribute(key="faas.version", description="The Worker's version id."),
        Attribute(key="faas.trigger", description="http, timer or other."),
    ),
    events=("exception",),
)
CRON_SPAN = SpanType(
    name="cron",
    kind="internal",
    description="A scheduled run: the heartbeat.",
    attributes=(Attribute(key="lumigate.cron", description="The cron expression that fired."),),
)

SPANS: tuple[SpanType, ...] = (
    SERVER_SPAN,
    AUTH_SPAN,
    KEY_SET_SPAN,
    RATE_LIMIT_SPAN,
    PRIVACY_SPAN,
    CACHE_SPAN,
    CACHE_TIER_SPAN,
    ROUTE_SPAN,
    CHAT_SPAN,
    LOST_SPAN,
    CRON_SPAN,
)

# --- the wide event: one JSON line a request ------------------------------------------------------------------------

WIDE_EVENT: tuple[EventField, ...] = (
    EventField(name="event", description="`request`, `cron` or `import_failure`."),
    EventField(name="time", description="Arrival, RFC 3339, UTC."),
    EventField(
        name="level", description="`info`; `warn` for upstream errors and aborts, `error` for our own."
    ),
    EventField(name="trace_id", description="The trace, kept or not."),
    EventField(name="span_id", description="The server span."),
    EventField(name="trace_kept", description="Whether the trace was kept.", type=bool),
    EventField(name="request_id", description="The x-request-id header of the answer."),
    EventField(name="tenant", description="Who pays."),
    EventField(
        name="subject_hash", description="First 16 hex digits of the SHA-256 of the caller's subject."
    ),
    EventField(name="method", description="The request method."),
    EventField(name="route", description="The route's template."),
    EventField(name="status", description="The status answered; 499 if the client left first.", type=int),
    EventField(
        name="outcome", description="complete, refused, client_abort, upstream_error, truncated or error."
    ),
    EventField(name="error_code", description="The error's stable code; empty on success."),
    EventField(name="duration_ms", description="Arrival to last byte.", type=float, unit="ms"),
    EventField(name="upstream_ms", description="Waiting for providers.", type=float, unit="ms"),
    EventField(name="ttfc_ms", description="Provider call to its first event.", type=float, unit="ms"),
    EventField(name="auth_method", description="bearer, api_key or none."),
    EventField(name="auth_reason", description="ok, or why not."),
    EventField(name="cache", description="hit-l1, hit-l2, miss or bypass."),
    EventField(name="provider", description="Who answered."),
    EventField(name="model", description="The model asked of the provider."),
    EventField(name="model_alias", description="The model name the caller used."),
    EventField(name="attempts", description="Model calls made.", type=int),
    EventField(name="fallbacks", description="Candidates left for the next.", type=int),
    EventField(name="stream", description="Whether the answer was a stream.", type=bool),
    EventField(name="input_tokens", description="Tokens in the prompt.", type=int, unit="{token}"),
    EventField(name="output_tokens", description="Tokens in the answer.", type=int, unit="{token}"),
    EventField(
        name="cache_read_tokens",
        description="Of the prompt, read from the provider's cache.",
        type=int,
        unit="{token}",
    ),
    EventField(
        name="reasoning_tokens", description="Of the answer, spent on reasoning.", type=int, unit="{token}"
    ),
    EventField(name="cost_usd", description="What the request cost.", type=float, unit="{USD}"),
    EventField(name="cost_estimated", description="Whether tokens had to be estimated.", type=bool),
    EventField(name="tenant_class", description="The class of the tenant, by the settings."),
    EventField(name="request_bytes", description="Size of the request's body.", type=int, unit="By"),
    EventField(name="response_bytes", description="Size of the answer's body.", type=int, unit="By"),
    EventField(name="country", description="The caller's country."),
    EventField(name="colo", description="The data centre."),
    EventField(name="environment", description="deployment.environment.name."),
    EventField(name="version", description="service.version."),
    EventField(name="module", description="The module that could not be imported (import_failure only)."),
)

# --- Analytics Engine: one point a request --------------------------------------------------------------------------

DATA_POINT: tuple[PointColumn, ...] = (
    PointColumn(column="index1", name="tenant", description="Who pays; also what sampling is fair to."),
    PointColumn(column="blob1", name="route", description="The route's template."),
    PointColumn(column="blob2", name="method", description="The request method."),
    PointColumn(column="blob3", name="outcome", description="How the answer ended."),
    PointColumn(column="blob4", name="error_code", description="The error's stable code."),
    PointColumn(column="blob5", name="provider", description="Who answered."),
    PointColumn(column="blob6", name="model", description="The model asked of the provider."),
    PointColumn(column="blob7", name="cache", description="What the cache said."),
    PointColumn(column="blob8", name="auth_reason", description="ok, or why the caller was refused."),
    PointColumn(column="blob9", name="country", description="The caller's country."),
    PointColumn(column="blob10", name="colo", description="The data centre."),
    PointColumn(column="blob11", name="environment", description="deployment.environment.name."),
    PointColumn(column="blob12", name="version", description="service.version."),
    PointColumn(column="blob13", name="trace_id", description="The trace, kept or not."),
    PointColumn(column="blob14", name="model_alias", description="The model name the caller used."),
    PointColumn(column="double1", name="status", description="The status answered."),
    PointColumn(column="double2", name="duration_ms", description="Arrival to last byte.", unit="ms"),
    PointColumn(column="double3", name="upstream_ms", description="Waiting for providers.", unit="ms"),
    PointColumn(column="double4", name="ttfc_ms", description="Provider call to first event.", unit="ms"),
    PointColumn(column="double5", name="input_tokens", description="Tokens in the prompt.", unit="{token}"),
    PointColumn(column="double6", name="output_tokens", description="Tokens in the answer.", unit="{token}"),
    PointColumn(column="double7", name="cost_usd", description="What the request cost.", unit="{USD}"),
    PointColumn(column="double8", name="attempts", description="Model calls made."),
    PointColumn(column="double9", name="request_bytes", description="Size of the request's body.", unit="By"),
    PointColumn(
        column="double10", name="response_bytes", description="Size of the answer's body.", unit="By"
    ),
    PointColumn(column="double11", name="stream", description="1 if the answer was a stream."),
)
