"""The catalog's metrics as live instruments, by the names the code calls them."""

from __future__ import annotations

from lumigate import catalog
from lumigate.telemetry import Telemetry


class Instruments:
    """One an isolate. Every attribute is a catalog metric, ready to record."""

    def __init__(self, telemetry: Telemetry) -> None:
        instrument = telemetry.instrument
        self.request_duration = instrument(catalog.REQUEST_DURATION)
        self.gateway_overhead = instrument(catalog.GATEWAY_OVERHEAD)
        self.telemetry_overhead = instrument(catalog.TELEMETRY_OVERHEAD)
        self.request_cost = instrument(catalog.REQUEST_COST)
        self.deploys = instrument(catalog.DEPLOYS)
        self.personal_data_duration = instrument(catalog.PERSONAL_DATA_DURATION)
        self.personal_data_findings = instrument(catalog.PERSONAL_DATA_FINDINGS)
        self.outcomes = instrument(catalog.OUTCOMES)
        self.auth_checks = instrument(catalog.AUTH_CHECKS)
        self.auth_duration = instrument(catalog.AUTH_DURATION)
        self.key_set_fetches = instrument(catalog.KEY_SET_FETCHES)
        self.rate_limit_decisions = instrument(catalog.RATE_LIMIT_DECISIONS)
        self.cache_lookups = instrument(catalog.CACHE_LOOKUPS)
        self.cache_duration = instrument(catalog.CACHE_DURATION)
        self.cache_outcomes = instrument(catalog.CACHE_OUTCOMES)
        self.cache_writes = instrument(catalog.CACHE_WRITES)
        self.cache_evictions = instrument(catalog.CACHE_EVICTIONS)
        self.route_duration = instrument(catalog.ROUTE_DURATION)
        self.llm_duration = instrument(catalog.LLM_DURATION)
        self.llm_first_chunk = instrument(catalog.LLM_FIRST_CHUNK)
        self.llm_input_tokens = instrument(catalog.LLM_INPUT_TOKENS)
        self.llm_output_tokens = instrument(catalog.LLM_OUTPUT_TOKENS)
        self.llm_cache_read_tokens = instrument(catalog.LLM_CACHE_READ_TOKENS)
        self.llm_cache_write_tokens = instrument(catalog.LLM_CACHE_WRITE_TOKENS)
        self.llm_reasoning_tokens = instrument(catalog.LLM_REASONING_TOKENS)
        self.llm_chunk_time = instrument(catalog.LLM_CHUNK_TIME)
        self.llm_unpriced = instrument(catalog.LLM_UNPRICED)
        self.llm_attempts = instrument(catalog.LLM_ATTEMPTS)
        self.llm_fallbacks = instrument(catalog.LLM_FALLBACKS)
        self.llm_breaker_transitions = instrument(catalog.LLM_BREAKER_TRANSITIONS)
        self.llm_passed_over = instrument(catalog.LLM_PASSED_OVER)
        self.llm_hedges = instrument(catalog.LLM_HEDGES)
        self.llm_priced = instrument(catalog.LLM_PRICED)
        self.geo_decisions = instrument(catalog.GEO_DECISIONS)
        self.llm_cost = instrument(catalog.LLM_COST)
        self.metric_batches = instrument(catalog.METRIC_BATCHES)
        self.import_failures = instrument(catalog.IMPORT_FAILURES)
        self.heartbeat = instrument(catalog.HEARTBEAT)
