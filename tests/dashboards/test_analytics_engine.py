"""Analytics Engine SQL of the panels, on an embedded ClickHouse over the points the worker wrote."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from dashboards.sql import NotInAnalyticsEngine, checked, query, requests_if, total
from tests.dashboards.analytics import Engine, clickhouse, sampled
from tests.dashboards.conftest import Run
from tests.dashboards.filled import Query, queries

PLUGIN = "vertamedia-clickhouse-datasource"
COPIES = 40
"""The mix's points, so many times over: enough that a sample of them says something."""
ONE_IN = 10


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as found:
        yield found


@pytest.fixture(scope="module")
def engine(session: Any, run: Run) -> Engine:
    return Engine(session, "everything", run.points)


def sql_queries(generated: dict[str, dict[str, Any]]) -> list[Query]:
    return queries(generated, PLUGIN)


def test_every_sql_query_has_an_answer(engine: Engine, generated: dict[str, dict[str, Any]]) -> None:
    asked = sql_queries(generated)
    assert len(asked) > 20
    assert [each.id for each in asked if not engine.ask(each.text)] == []


def test_every_variable_over_points_has_values(engine: Engine, generated: dict[str, dict[str, Any]]) -> None:
    variables = [v for d in generated.values() for v in d["templating"]["list"]]
    asked = [v for v in variables if v["type"] == "query" and v["datasource"]["type"] == PLUGIN]
    assert {v["name"] for v in asked} == {"environment", "tenant", "route", "model"}
    assert all(engine.ask(v["query"]) for v in asked)


def test_every_sql_query_is_weighted_and_within_what_the_engine_has(
    generated: dict[str, dict[str, Any]],
) -> None:
    for each in sql_queries(generated):
        assert checked(each.text) == each.text
        aggregates = "SUM(" in each.text or "sumIf(" in each.text or "quantile" in each.text
        raw = each.panel in ("Slowest requests", "Estimate from points")
        assert raw or (aggregates and "_sample_interval" in each.text), each.id


def test_tenants_are_told_as_they_were_sent(
    run: Run, engine: Engine, generated: dict[str, dict[str, Any]]
) -> None:
    (asked,) = [q for q in sql_queries(generated) if q.panel == "Tenants"]
    rows = {row["tenant"]: row for row in engine.ask(asked.text)}
    for tenant in ("acme", "globex", "initech"):
        assert float(rows[tenant]["requests"]) == run.mix.sent[f"tenant {tenant}"], tenant
    assert float(rows["noisy"]["requests"]) == run.mix.sent["models"]
    assert float(rows["globex"]["failed"]) == pytest.approx(
        run.mix.sent["failed"] / run.mix.sent["tenant globex"]
    )
    only = engine.ask(asked.text, tenant=["globex"])
    assert [row["tenant"] for row in only] == ["globex"]


def test_money_agrees_with_the_metric(run: Run, engine: Engine, generated: dict[str, dict[str, Any]]) -> None:
    """But for what is asked anew beside a stale answer: that is money, and no request of anybody's."""
    (asked,) = [
        q for q in sql_queries(generated) if q.panel == "Cost" and q.dashboard == "analytics-engine.json"
    ]
    (row,) = engine.ask(asked.text)
    model = '{gen_ai_request_model="aging-1"}'
    calls = run.number(f"sum(gen_ai_client_inference_duration_seconds_count{model})")
    anew = run.number(f"sum(lumigate_llm_cost_total{model})") * (calls - 1) / calls
    assert anew > 0
    spent = run.number("sum(lumigate_llm_cost_total)")
    assert float(row["value"]) == pytest.approx(spent - anew, rel=1e-6)


def test_weighted_estimates_match_the_truth_within_sampling_error(
    session: Any, run: Run, generated: dict[str, dict[str, Any]]
) -> None:
    """One point in ten is kept: sums come within four standard errors, quantiles next to the true ones."""
    everything = [point for _ in range(COPIES) for point in run.points]
    kept = sampled(everything, ONE_IN)
    engine = Engine(session, "sampled", kept)
    by_panel = {q.panel: q.text for q in sql_queries(generated) if q.dashboard == "analytics-engine.json"}

    def value(panel: str) -> float:
        return float(engine.ask(by_panel[panel])[0]["value"])

    def error(values: list[float]) -> float:
        return 4 * math.sqrt((ONE_IN - 1) * sum(each * each for each in values))

    ones = [1.0] * len(everything)
    assert value("Requests") == pytest.approx(len(everything), abs=error(ones))
    costs = [point["double7"] for point in everything]
    assert value("Cost") == pytest.approx(sum(costs), abs=error(costs))
    failed = sum(point["blob3"] in ("error", "upstream_error", "truncated") for point in everything)
    assert value("Failed") == pytest.approx(
        failed / len(everything), abs=4 * math.sqrt(failed * ONE_IN) / len(everything)
    )
    durations = sorted(point["double2"] for point in everything)
    low, high = (durations[int(len(durations) * q)] for q in (0.92, 0.98))
    assert low <= value("p95") <= high
    unweighted = float(engine.ask(by_panel["Estimate from points"])[0]["value"])
    assert unweighted == len(kept), "and nothing else counts rows"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT uniq(index1) FROM t",
        "SELECT quantile(0.5)(double1) FROM t",
        "SELECT count() FROM t",
        "SELECT 1 FROM a JOIN b ON a.index1 = b.index1",
        "SELECT 1 FROM a UNION ALL SELECT 2",
        "WITH x AS (SELECT 1) SELECT 1",
        "SELECT arrayJoin([1]) FROM t",
    ],
)
def test_what_the_engine_lacks_is_refused(sql: str) -> None:
    with pytest.raises(NotInAnalyticsEngine):
        checked(sql)


def test_texts_are_not_taken_for_functions() -> None:
    assert checked("SELECT SUM(_sample_interval) FROM t WHERE blob1 = 'uniq(x) JOIN'")


def test_a_query_is_made_of_what_it_was_given() -> None:
    made = query({"cost": total("cost_usd"), "bad": requests_if("double1 >= 500")}, by=("tenant",), limit=3)
    assert made == (
        "SELECT\n  index1 AS tenant,\n  SUM(_sample_interval * double7) AS cost,\n"
        "  sumIf(_sample_interval, double1 >= 500) AS bad\nFROM ${dataset}\nWHERE $timeFilter\n"
        "GROUP BY index1\nLIMIT 3"
    )
