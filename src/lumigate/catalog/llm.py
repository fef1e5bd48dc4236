"""Model calls: routing, attempts, tokens, money. Names follow OpenTelemetry's GenAI semantic conventions."""

from __future__ import annotations

from lumigate.catalog.geography import GEO_POLICY
from lumigate.catalog.http import ERROR_TYPE, HTTP_STATUS
from lumigate.catalog.requests import OUTCOME, TENANT_CLASS
from lumigate.catalog.scales import GEN_AI_SECONDS, STEP_SECONDS
from lumigate.catalog.sessions import CONVERSATION_ID
from lumigate.telemetry.schema import Attribute, InstrumentKind, LogEvent, Metric, SpanType

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
COST_SOURCE = Attribute(
    key="lumigate.llm.cost.source",
    description="How the cost is known: from usage, from the provider's own figure, or estimated for want of usage.",
    values=frozenset({"usage", "provider", "estimated"}),
)
BREAKER_STATE = Attribute(
    key="lumigate.llm.breaker.state",
    description="What a provider's breaker became: `half_open` lets one probe through.",
    values=frozenset({"closed", "open", "half_open"}),
)
HEDGE_RESULT = Attribute(
    key="lumigate.llm.hedge.result",
    description="What became of a second call begun because the first was slow.",
    values=frozenset({"won", "lost", "failed"}),
)
PRICE_SOURCE = Attribute(
    key="lumigate.llm.price.source",
    description="Whose prices: `settings`, or the built-in table by its version; one value a build.",
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
LLM_RETRIES = Metric(
    name="lumigate.llm.retries",
    unit="{attempt}",
    kind=InstrumentKind.COUNTER,
    description="Attempts at a candidate that had failed the same request before.",
    attributes=(GEN_AI_PROVIDER, GEN_AI_MODEL),
)
LLM_BREAKER_TRANSITIONS = Metric(
    name="lumigate.llm.breaker.transitions",
    unit="{transition}",
    kind=InstrumentKind.COUNTER,
    description="Changes of a provider's circuit breaker, as isolates saw them.",
    attributes=(GEN_AI_PROVIDER, BREAKER_STATE),
)
LLM_PASSED_OVER = Metric(
    name="lumigate.llm.passed_over",
    unit="{request}",
    kind=InstrumentKind.COUNTER,
    description="Requests in which a candidate was not asked, because its provider's breaker was open.",
    attributes=(GEN_AI_PROVIDER,),
)
LLM_HEDGES = Metric(
    name="lumigate.llm.hedges",
    unit="{call}",
    kind=InstrumentKind.COUNTER,
    description="Second calls begun because the first was slow, by whom was asked and what came of it.",
    attributes=(GEN_AI_PROVIDER, GEN_AI_MODEL, HEDGE_RESULT),
)
LLM_PRICED = Metric(
    name="lumigate.llm.priced",
    unit="{call}",
    kind=InstrumentKind.COUNTER,
    description="Model calls whose cost was worked out, by whose prices.",
    attributes=(PRICE_SOURCE,),
    cardinality_limit=20,
)
LLM_COST = Metric(
    name="lumigate.llm.cost",
    unit="{USD}",
    kind=InstrumentKind.COUNTER,
    description="Money spent on model calls, from real usage and the routing table's prices.",
    attributes=(GEN_AI_PROVIDER, GEN_AI_MODEL, COST_SOURCE, TENANT_CLASS),
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
        GEO_POLICY,
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
        CONVERSATION_ID,
        Attribute(key="lumigate.llm.cost", description="What the call cost, USD.", type=float),
        COST_SOURCE,
        Attribute(key="lumigate.llm.attempt", description="1 for the first attempt.", type=int),
        Attribute(key="lumigate.llm.first_chunk_ms", description="Time to the first event, ms.", type=float),
        Attribute(key="lumigate.llm.provider_request_id", description="The provider's request id header."),
        Attribute(
            key="lumigate.llm.secret_masked",
            description="The answer quoted our credentials, and they were taken out; absent otherwise.",
            type=bool,
        ),
    ),
)
INFERENCE_DETAILS = LogEvent(
    name="gen_ai.client.inference.operation.details",
    description="What a model was asked and what it answered, where a setting asks for it; masked.",
    attributes=tuple(
        attribute
        for attribute in CHAT_SPAN.attributes
        if attribute.key.startswith("gen_ai.") or attribute.key in {"server.address", "session.id", "user.id"}
    ),
)
