"""Chosen panels show the right number: what the mix is known to have sent.

`increase` and `rate` extrapolate to the edges of their window, so sums come within a few percent; a ratio of two of
them over the same window and the promises' records, which count exactly, come much closer.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from dashboards import build
from tests.dashboards.conftest import Run
from tests.dashboards.filled import promql, queries
from tests.dashboards.mix import SLOW_MS

EXTRAPOLATED = 0.15
"""Relative; a series that began late in the window is stretched more than one that was there throughout."""

type Show = Callable[..., dict[tuple[str, ...], float]]


@pytest.fixture(scope="module")
def show(run: Run) -> Show:
    """What a panel shows at the end of the range: values by the labels named."""
    asked = queries(build.dashboards(run.sources), "prometheus")

    def shown(
        board: str, panel: str, *labels: str, ref: str = "A", **variables: str
    ) -> dict[tuple[str, ...], float]:
        (query,) = [q for q in asked if (q.dashboard, q.panel, q.ref) == (f"{board}.json", panel, ref)]
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
    assert number == about(run.mix.sent["requests"] + run.mix.sent["models"])


def test_errors_by_code_are_those_that_were_provoked(run: Run, show: Show) -> None:
    found = show("service", "Errors by code", "error_type", "http_response_status_code")
    sent = run.mix.sent
    assert found["token_missing", "401"] == about(7)
    assert found["token_expired", "401"] == about(5)
    assert found["rate_limited", "429"] == about(sent["limited"])
    assert found["upstream_failed", "502"] == about(sent["failed"])
    assert found["geo_denied", "403"] == about(sent["geo_denied"])
    assert found["keys_unavailable", "503"] == about(sent["keys_unavailable"])
    assert found["model_not_found", "404"] == about(3)


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
    hits = run.number('sum(lumigate_cache_outcomes_total{lumigate_cache_outcome=~"hit-.*"})')
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
    assert failed["other", "broken-1"] == pytest.approx(1)
    assert first_chunk["openai", "slow-1"] > SLOW_MS / 1000 - 0.1
    assert first_chunk["openai", "fast-1"] < SLOW_MS / 1000


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
    from dashboards.boards.promises import alerts

    panel = alerts(promise, tiers).panel
    states = [run.number(promql(target.expr)) for target in panel.targets]
    assert set(states) <= {0, 1}
    assert states[-1] == 1


def test_exemplars_of_a_panel_are_traces(run: Run) -> None:
    parameters = {
        "query": "http_server_request_duration_seconds_bucket",
        "start": str(time.time() - 120),
        "end": str(time.time()),
    }
    answer = run.client.get("/api/v1/query_exemplars", params=parameters).json()
    labels = [one["labels"] for series in answer["data"] for one in series["exemplars"]]
    assert labels
    assert all(len(label["trace_id"]) == 32 for label in labels), "what the data source links to Tempo"
