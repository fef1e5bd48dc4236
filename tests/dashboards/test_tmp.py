def test_x(run):
    for q in ['sum by (error_type,http_response_status_code)(http_server_request_duration_seconds_count)','sum by (lumigate_cache_tier,lumigate_cache_result)(lumigate_cache_lookups_total)','sum by (lumigate_cache_outcome)(lumigate_cache_outcomes_total)','lumigate_shard_isolates','{__name__=~"lumigate_telemetry_(dropped|queue_items|breaker_state_ratio|export_requests).*"}','sum by(gen_ai_provider_name,gen_ai_request_model,lumigate_llm_result)(lumigate_llm_attempts_total)','lumigate_llm_unpriced_total','{otel_metric_overflow="true"}','lumigate_cache_evictions_total','lumigate_shard_series','lumigate_key_set_fetches_total','lumigate_auth_checks_total','sum(increase(http_server_request_duration_seconds_count[2m]))', 'lumigate_llm_cost_total','slo:burn:rate','slo:bad:increase','slo:time_to_exhaustion:seconds']:
        print(q)
        for r in run.query(q):
            print("   ",{k:v for k,v in r["metric"].items() if k not in ("job","instance","service_instance_id")},r["value"][1])
    print(run.mix.sent, run.mix.statuses, len(run.points))
    assert 0
