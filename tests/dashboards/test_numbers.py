"""Chosen panels show the right number: what the mix is known to have sent.

`increase` and `rate` extrapolate to the edges of their window, so sums come within a few percent; a ratio of two of
them over the same window and the promises' records, which count exactly, come much closer.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from dashboards.boards.limits import Limits
from dashboards.boards.promises import alerts
from lumigate.llm import price_table
from tests.dashboards.conftest import PATIENCE_SECONDS, Run
from tests.dashboards.filled import promql
from tests.dashboards.mix import SLOW_MS
from tests.slo.programs import wait

EXTRAPOLATED = 0.15
"""Relative; a series that began late in the window is stretched more than one that was there throughout."""

type Show = Callable[..., dict[tuple[str, ...], float]]


@pytest.fixture(scope="module")
def show(run: Run) -> Show:
    """What a panel shows at the end of the range: values by the labels named."""

    def shown(
        board: str, panel: str, *labels: str, ref: str = "A", **variables: str
    ) -> dict[tuple[str, ...], float]:
        (query,) = [q for q in run.asked if (q.dashboard, q.panel, q.ref) == (f"{board}.json", panel, ref)]
        found = run.query(promql(query.text, **variables))
        return {
            tuple(series["metric"].get(label, "") for label in labels): float(series["value"][1])
            for series in found
        }

    return shown


def about(value: float) -> object:
    return pytest.approx(value, rel=EXTRAPOLATED, abs=0.5)


def test_requests_in_range_are_those_that_were_sent(run: Run, show: Show) -> None:
    (number,) = show("service", "Requests in range").values()
    assert number == about(run.mix.all_sent)


def test_errors_by_code_are_those_that_were_provoked(run: Run, show: Show) -> None:
    found = show("service", "Errors by code", "error_type", "http_response_status_code")
    sent = run.mix.sent
    assert found["token_missing", "401"] == about(7)
    assert found["token_expired", "401"] == about(5)
    assert found["rate_limited", "429"] == about(sent["limited"] + sent["limit refused"])
    assert found["upstream_failed", "502"] == about(sent["failed"])
    assert found["geo_denied", "403"] == about(sent["geo_denied"])
    assert found["keys_unavailable", "503"] == about(sent["keys_unavailable"])
    assert found["model_not_found", "404"] == about(3)


def test_refusals_are_the_callers_errors_alone(show: Show) -> None:
    by = ("error_type", "http_response_status_code")
    refused, errors = show("access", "Refusals by code", *by), show("service", "Errors by code", *by)
    assert {status[0] for _, status in errors} == {"4", "5"}
    assert {status[0] for _, status in refused} == {"4"}
    assert refused["token_expired", "401"] == about(5)


def test_probes_and_scrapes_do_not_thin_out_what_users_see(show: Show) -> None:
    """Prometheus asked for `/metrics` every second of the run: none of it is in times or shares."""
    assert show("service", "Requests in range", route="/metrics") != {}
    for panel in ("Failing now", "Slowest 5 % take", "Time to the last byte"):
        assert show("service", panel) != {}, panel
        assert show("service", panel, route="/metrics") == {}, panel


def test_model_calls_a_request_are_the_same_whatever_route_is_chosen(show: Show) -> None:
    """A model call knows no route: one route's requests are no measure of all calls."""
    (every,) = show("service", "Model calls a request").values()
    (one,) = show("service", "Model calls a request", route="/v1/embeddings").values()
    assert one == pytest.approx(every, rel=0.01), "asked at two instants"


def test_availability_is_that_of_the_records(run: Run, show: Show) -> None:
    """Of what was accepted: failures and missing keys. That the records count exactly is for `tests/slo` to show."""
    failed = run.mix.sent["failed"] + run.mix.sent["keys_unavailable"]
    told = 'sum(lumigate_request_outcomes_total{lumigate_outcome=~"error|upstream_error|truncated"})'
    assert run.number(told) == failed
    of = '{service="lumigate",slo="availability"}'
    bad, total = (run.number(f"slo:period_{name}:events{of}") for name in ("bad", "total"))
    assert 0 < bad <= failed
    (attained,) = show("service", "Availability, attained").values()
    assert attained == pytest.approx(1 - bad / total, abs=1e-6)
    (left,) = show("service", "Budget left").values()
    assert left == pytest.approx(1 - (bad / total) / 0.001, rel=1e-6)


def test_the_hit_rate_is_that_of_the_answers(run: Run, show: Show) -> None:
    hits = run.number('sum(lumigate_cache_outcomes_total{lumigate_cache_outcome=~"(hit|stale|near)-.*"})')
    misses = run.number('sum(lumigate_cache_outcomes_total{lumigate_cache_outcome="miss"})')
    (rate,) = show("cache", "Hit rate").values()
    assert hits >= 10
    assert rate == pytest.approx(hits / (hits + misses), rel=EXTRAPOLATED)


def test_calls_failures_and_times_are_told_by_model(run: Run, show: Show) -> None:
    by = ("gen_ai_provider_name", "gen_ai_request_model")
    calls = show("models", "Models side by side", *by, ref="A")
    failed = show("models", "Models side by side", *by, ref="B")
    first_chunk = show("models", "Models side by side", *by, ref="D")
    assert calls["openai", "slow-1"] == about(3)
    assert calls["openai", "unpriced-1"] == about(3)
    told = 'sum(lumigate_llm_attempts_total{gen_ai_request_model="broken-1"%s})'
    every, lost = (
        run.number(told % ""),
        'lumigate_llm_result="hedge_lost"',
    )  # where another was asked meanwhile
    (hedged,) = run.query(f"{told % f',{lost}'} or vector(0)")
    told_share = 1 - float(hedged["value"][1]) / every
    assert failed["other", "broken-1"] == pytest.approx(told_share, rel=EXTRAPOLATED)
    assert first_chunk["openai", "slow-1"] > SLOW_MS / 1000 - 0.1
    assert first_chunk["openai", "fast-1"] < first_chunk["openai", "slow-1"]


def test_a_variable_narrows_a_panel(run: Run, show: Show) -> None:
    by = ("gen_ai_provider_name", "gen_ai_request_model")
    assert set(show("models", "Models side by side", *by, ref="A", model="slow-1")) == {("openai", "slow-1")}
    assert show("service", "Requests in range", job="another") == {}


def test_money_is_what_the_counter_says(run: Run, show: Show) -> None:
    (spent,) = show("models", "Spent in range").values()
    assert spent == pytest.approx(run.number("sum(lumigate_llm_cost_total)"), rel=EXTRAPOLATED)
    (unpriced,) = show("models", "Calls without a price").values()
    assert unpriced == about(3)


def test_an_expired_key_set_and_missing_keys_are_seen(run: Run, show: Show) -> None:
    (denied,) = show("access", "Denied for want of keys").values()
    assert denied == about(run.mix.sent["keys_unavailable"])
    fetches = show("access", "Key-set fetches by result", "lumigate_key_set_result")
    assert fetches["bad_status",] >= 1
    assert fetches["ok",] >= 1
    found = show("access", "Personal data found", "lumigate_privacy_kind")
    assert found["email",] > 0


def test_a_collector_outage_is_seen(run: Run, show: Show) -> None:
    requests = show("telemetry", "Export requests by result", "result")
    assert requests["unavailable",] > 0
    (delivered,) = show("telemetry", "Delivered").values()
    dropped = run.number("sum(lumigate_telemetry_dropped_total)")
    exported = run.number("sum(lumigate_telemetry_exported_total)")
    assert delivered == pytest.approx(exported / (exported + dropped), abs=0.1)
    worst = run.over_time("max(lumigate_telemetry_breaker_state_ratio)")
    assert max(float(value) for _, value in worst[0]["values"]) in (0, 1, 2)
    assert show("telemetry", "Overflowing metrics") == {(): 1}


def test_alerts_that_would_fire_are_told_by_tier(run: Run, show: Show) -> None:
    """Every accepted failure came at once, so the long tiers of availability burn."""
    promise = next(p for p in run.sources.promises if p.name == "availability")
    tiers = promise.tiers(run.sources.settings.step_seconds)
    limits = Limits(run.sources.promises, run.sources.settings.runbook_url)
    panel = alerts(promise, tiers, limits).panel
    states = [run.number(promql(target.expr)) for target in panel.targets]
    assert set(states) <= {0, 1}
    assert states[-1] == 1


def test_exemplars_of_a_panel_are_traces(run: Run) -> None:
    parameters = {
        "query": "http_server_request_duration_seconds_bucket",
        "start": str(run.began),
        "end": str(time.time()),
    }
    answer = run.client.get("/api/v1/query_exemplars", params=parameters).json()
    labels = [one["labels"] for series in answer["data"] for one in series["exemplars"]]
    assert labels
    assert all(len(label["trace_id"]) == 32 for label in labels), "what the data source links to Tempo"


# --- rarer occasions


def test_retries_and_hedges_are_those_that_were_provoked(run: Run, show: Show) -> None:
    by = ("gen_ai_provider_name", "gen_ai_request_model")
    shares = show("models", "Retries by model", *by)
    assert shares["openai", "shaky-1"] == pytest.approx(0.5, rel=0.01), "each of them was asked twice"
    assert ("openai", "slow-1") not in shares
    assert (
        run.number('sum(lumigate_llm_retries_total{gen_ai_request_model="shaky-1"})')
        == run.mix.sent["retries"]
    )
    result = "lumigate_llm_hedge_result"
    for word in ("won", "lost"):
        told = run.number(
            f'sum(lumigate_llm_hedges_total{{{result}="{word}",gen_ai_request_model="swift-1"}})'
        )
        assert told == run.mix.sent[f"hedges {word}"], word
    assert show("models", "Hedges", result)["won",] > show("models", "Hedges", result)["lost",] > 0


def test_a_breaker_that_opens_is_seen_to_close_again(run: Run) -> None:
    """Over the whole run: the state while requests pass a provider over is 2, and 0 when all is well."""

    def seen() -> dict[str, set[float]]:
        return run.states("models.json", "Breakers")

    wait(lambda: {0, 2} <= seen()["openai"], PATIENCE_SECONDS, "a breaker that opens and closes")
    assert seen()["openai"] <= {0, 1, 2}
    assert 2 in seen()["other"]


def test_prices_are_told_by_whose_they_are(run: Run, show: Show) -> None:
    found = show("models", "Whose prices", "lumigate_llm_price_source")
    ((version, calls),) = [(source, n) for (source,), n in found.items() if source != "settings"]
    assert calls == about(run.mix.sent["by the built-in prices"])
    assert version == price_table.SOURCE
    assert found["settings",] > calls
    unpriced = show("models", "Models without a price", "gen_ai_provider_name", "gen_ai_request_model")
    assert unpriced == {("openai", "unpriced-1"): about(3)}


def test_savings_are_what_the_answers_cost_the_first_time(run: Run, show: Show) -> None:
    model = 'gen_ai_request_model="kept-1"'
    saved = run.number(f"sum(lumigate_cache_saved_cost_total{{{model}}})")
    spent, calls = (
        run.number(f"sum({name}{{{model}}})")
        for name in ("lumigate_llm_cost_total", "gen_ai_client_inference_duration_seconds_count")
    )
    assert saved >= run.mix.sent["saved hits"] * spent / calls * 0.5
    (dollars,) = show("cache", "Dollars saved").values()
    assert dollars == pytest.approx(run.number("sum(lumigate_cache_saved_cost_total)"), rel=EXTRAPOLATED)
    (tokens,) = show("cache", "Tokens saved").values()
    assert tokens == pytest.approx(run.number("sum(lumigate_cache_saved_tokens_total)"), rel=EXTRAPOLATED)


def test_hits_are_told_by_route_tier_and_kind(run: Run, show: Show) -> None:
    by = ("http_route", "lumigate_cache_outcome")
    shares = show("cache", "Hit rate by route and tier", *by)
    (whole,) = (
        value
        for (route,), value in show("cache", "Hit rate by route", "http_route").items()
        if "chat" in route
    )
    of_chat = {outcome: value for (route, outcome), value in shares.items() if "chat" in route}
    assert sum(of_chat.values()) == pytest.approx(whole, rel=1e-3), "asked at two instants"
    assert {"hit-l1", "hit-l2", "hit-l3", "stale-l1"} <= set(of_chat)
    told = 'sum(lumigate_cache_outcomes_total{lumigate_cache_outcome=~"%s-.*"})'
    assert run.number(told % "stale") == run.mix.sent["stale"]
    assert run.number(told % "near") == run.mix.sent["near"]


def test_a_tier_that_fails_is_skipped_and_comes_back(show: Show) -> None:
    changes = show("cache", "Breakers of tiers", "lumigate_cache_tier", "lumigate_cache_breaker")
    assert {("l3", "open"), ("l3", "half_open"), ("l3", "closed")} <= set(changes)
    lookups = show("cache", "Lookups by tier and result", "lumigate_cache_tier", "lumigate_cache_result")
    assert lookups["l3", "error"] > 0
    assert lookups["l3", "skipped"] > 0


def test_budgets_and_limits_refuse_what_was_counted(run: Run, show: Show) -> None:
    sent = run.mix.sent
    assert 0 < sent["budget refused"] < 12
    assert show("access", "Refused for want of budget") == {(): about(sent["budget refused"])}
    assert sent["limit refused"] == 4
    assert show("access", "Refused by an exact limit") == {(): about(4)}
    by = ("lumigate_tenant_class", "lumigate_budget_period")
    p95 = show("access", "Spent of the budget, by class of tenant", *by)
    assert set(p95) == {("trial", "day")}
    assert 0.8 < p95["trial", "day"] <= 1
    (nearly,) = show("access", "Requests of tenants that have spent 90 %", *by).values()
    assert 0 < nearly < 1


def test_revocations_scopes_and_regions_are_told(run: Run, show: Show) -> None:
    sent = run.mix.sent
    assert show("access", "Revoked tokens shown") == {(): about(sent["revoked"])}
    assert show("access", "Scopes missing") == {(): about(sent["scopes missing"])}
    by = ("lumigate_region_source", "lumigate_region_result")
    assert {("header", "confined"), ("tenant", "confined"), ("header", "refused")} == set(
        show("access", "Bound to a region", *by)
    )
    refused = show("access", "Refused by a policy", "error_type")
    assert {("geo_denied",), ("region_unavailable",)} <= set(refused)


def test_a_key_set_that_fails_is_no_longer_good(run: Run) -> None:
    wait(
        lambda: {0, 2} <= run.states("access.json", "Key set")[""],
        PATIENCE_SECONDS,
        "a key set that fails and is good again",
    )


def test_sessions_are_told(run: Run, show: Show) -> None:
    by = ("lumigate_session_operation", "lumigate_session_result")
    operations = show("service", "Operations on sessions", *by)
    assert {("create", "ok"), ("message", "ok"), ("read", "not_found"), ("delete", "ok")} <= set(operations)
    assert run.number("sum(lumigate_session_turns_dropped_total)") == run.mix.sent["turns dropped"]
    assert run.number("sum(lumigate_session_wait_seconds_count)") == run.mix.sent["messages"]
