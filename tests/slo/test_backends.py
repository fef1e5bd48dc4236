"""What is generated for others than Prometheus: Alertmanager, Grafana, Analytics Engine, and backends with deltas."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml

from lumigate.catalog import DATA_POINT
from slo.alertmanager import alertmanager_config
from slo.analytics import since_sql, sql, windows_of
from slo.build import GENERATED, Sources
from slo.grafana import grafana_policies, grafana_rules
from slo.model import Promise
from slo.prometheus import promise_group, service_group
from slo.rules import Alert
from tests.slo.examples import BEATS, SERIES, group, policy, promise, settings
from tests.slo.promtool import evaluate, expect, promtool, run, tool

SOURCES = Sources.load()
IN_POINTS = [p for p in SOURCES.promises if p.points is not None]


def every_alert() -> list[Alert]:
    groups = [promise_group(p, SOURCES.settings) for p in SOURCES.promises]
    return [alert for g in [*groups, service_group(SOURCES.settings, SOURCES.policy)] for alert in g.alerts]


# --- Alertmanager


def test_alertmanager_takes_the_configuration_and_routes_each_alert_to_its_receiver(tmp_path: Path) -> None:
    amtool = tool("amtool")
    path = tmp_path / "alertmanager.yaml"
    path.write_text(alertmanager_config(settings(), policy()))
    assert "SUCCESS" in run(amtool, "check-config", path)
    assert {alert.severity for alert in every_alert()} == {"page", "ticket", "info"}, "what is asked below"
    for severity, receiver in (
        ("page", "lumigate-page"),
        ("ticket", "lumigate-ticket"),
        ("info", "lumigate-ticket"),
    ):
        routed = run(amtool, "config", "routes", "test", f"--config.file={path}", f"severity={severity}")
        assert receiver in routed.splitlines()


def test_a_page_mutes_the_ticket_for_the_same_and_silence_mutes_everything() -> None:
    content = yaml.safe_load(alertmanager_config(settings(), policy()))
    by_page, by_silence = content["inhibit_rules"]
    assert by_page == {
        "source_matchers": ['severity="page"'],
        "target_matchers": ['severity="ticket"'],
        "equal": ["service", "slo", "event"],
    }
    assert by_silence["source_matchers"] == ['alertname="LumigateTelemetrySilent"']
    assert by_silence["equal"] == ["service"]


# --- Grafana


def grafana() -> list[dict[str, Any]]:
    content = yaml.safe_load((GENERATED / "grafana/rules.yaml").read_text())
    assert content["apiVersion"] == 1
    return [rule for each in content["groups"] for rule in each["rules"]]


def test_grafana_has_every_alert_that_prometheus_has() -> None:
    titles = [rule["title"] for rule in grafana()]
    assert sorted(titles) == sorted(f"{alert.alert} ({alert.severity})" for alert in every_alert())
    uids = [rule["uid"] for rule in grafana()]
    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= 40 for uid in uids)


def test_grafanas_conditions_are_queries_that_prometheus_takes(tmp_path: Path) -> None:
    rules = [
        {"record": f"r{n}:q{m}", "expr": query["model"]["expr"]}
        for n, rule in enumerate(grafana())
        for m, query in enumerate(rule["data"])
        if "expr" in query["model"]
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    assert "SUCCESS" in run(promtool(), "check", "rules", tmp_path / "rules.yaml")


@pytest.mark.parametrize("rule", grafana(), ids=lambda rule: str(rule["title"]))
def test_a_rule_of_grafanas_stands_by_itself(rule: dict[str, Any]) -> None:
    """No data is no burn; a text names only queries of its own; nothing looks like an environment variable."""
    queries = {query["refId"]: query for query in rule["data"]}
    assert rule["condition"] == "B"
    assert queries["B"]["datasourceUid"] == "__expr__"
    assert queries["B"]["model"]["expression"] == "A"
    assert rule["noDataState"] == "OK"
    for text in rule["annotations"].values():
        assert "$" not in text
        assert "query `" not in text
        assert set(re.findall(r"\.Values\.([A-Z])", text)) <= set(queries)


def test_grafanas_contact_points_and_policies_know_each_other() -> None:
    points = yaml.safe_load((GENERATED / "grafana/contact-points.yaml").read_text())["contactPoints"]
    (policies,) = yaml.safe_load((GENERATED / "grafana/policies.yaml").read_text())["policies"]
    names = {point["name"] for point in points}
    assert {policies["receiver"], *(route["receiver"] for route in policies["routes"])} == names
    assert policies["routes"][0]["object_matchers"][0] == ["severity", "=", "page"]


def test_a_page_of_a_service_that_was_brought_along_is_routed_as_a_page() -> None:
    (policies,) = yaml.safe_load(grafana_policies(settings(), ["shop", "lumigate"]))["policies"]
    assert policies["routes"][0]["object_matchers"][1] == ["service", "=~", "lumigate|shop"]


def test_a_dollar_in_a_text_is_a_dollar_and_no_environment_variable() -> None:
    """As Grafana reads provisioning files: `$$` is one, `$NAME` and `${NAME}` are looked up."""
    one = promise(
        description="Costs $0.05 or ${LESS}",
        annotations={"advice": "{{ $labels.slo }} at {{ $value }}: pay $5"},
    )
    (page, *_) = yaml.safe_load(grafana_rules([group(one)], settings()))["groups"][0]["rules"]
    assert page["annotations"]["description"].startswith("Costs $$0.05 or $${LESS}. Objective")
    assert page["annotations"]["advice"] == "{{ .Labels.slo }} at {{ .Values.A.Value }}: pay $$5"


# --- Analytics Engine

ALLOWED = {
    "SELECT",
    "FROM",
    "WHERE",
    "AND",
    "NOT",
    "IN",
    "AS",
    "NOW",
    "INTERVAL",
    "DAY",
    "HOUR",
    "MINUTE",
    "SUM",
}
FUNCTIONS = {"sumIf", "toDateTime"}


@pytest.mark.parametrize("one", IN_POINTS, ids=lambda one: one.name)
def test_a_query_holds_only_what_analytics_engine_has(one: Promise) -> None:
    columns = {column.column for column in DATA_POINT} | {"timestamp", "_sample_interval"}
    for query in (sql(one, "points"), since_sql(one, "points", 1)):
        assert query is not None
        bare = re.sub(r"'[^']*'", "''", query)
        words = set(re.findall(r"[A-Za-z_]\w*", bare)) - {"points"}
        own = {word for word in words if re.fullmatch(r"(bad|total)_(\d+|since)", word)}
        assert words - own - ALLOWED - FUNCTIONS - columns == set()
        assert bare.count("SELECT") == bare.count("FROM") == 1


def _in_sqlite(query: str) -> str:
    """The same query in another dialect: `NOW()` is 100 days after the epoch."""
    seconds = {"DAY": 86_400, "HOUR": 3_600, "MINUTE": 60}
    query = re.sub(
        r"NOW\(\) - INTERVAL '(\d+)' (\w+)", lambda m: str(8_640_000 - int(m[1]) * seconds[m[2]]), query
    )
    query = re.sub(
        r"sumIf\(_sample_interval, (.*)\) AS", r"TOTAL(CASE WHEN \1 THEN _sample_interval END) AS", query
    )
    return re.sub(r"toDateTime\((\d+)\)", r"\1", query)


def _points(rows: list[dict[str, Any]]) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    names = {column.name: column.column for column in DATA_POINT}
    columns = ["timestamp", "_sample_interval", *names.values()]
    database.execute(f"CREATE TABLE points ({', '.join(columns)})")
    for row in rows:
        values = {"timestamp": row["at"], "_sample_interval": row.get("weight", 1)}
        values |= {
            column: row.get(name, 0 if column.startswith("double") else "") for name, column in names.items()
        }
        places = ", ".join("?" for _ in columns)
        database.execute(f"INSERT INTO points VALUES ({places})", [values[column] for column in columns])  # noqa: S608 (a table of our own, in memory)
    return database


def _ask(one: str, rows: list[dict[str, Any]]) -> dict[str, float]:
    found = next(p for p in IN_POINTS if p.name == one)
    query = sql(found, "points")
    assert query is not None
    with contextlib.closing(_points(rows)) as database:
        cursor = database.execute(_in_sqlite(query))
        return dict(zip((name for name, *_ in cursor.description), cursor.fetchone(), strict=True))


NOW = 8_640_000


def test_availability_over_points_is_weighted_for_sampling() -> None:
    """A point stands for as many requests as its interval says, in each window that it is in."""
    chat = {"route": "/v1/chat/completions"}
    row = _ask(
        "availability",
        [
            {"at": NOW - 10, "outcome": "complete", "weight": 90, **chat},
            {"at": NOW - 10, "outcome": "error", "weight": 10, **chat},
            {"at": NOW - 7_000, "outcome": "truncated", "weight": 5, **chat},
            {"at": NOW - 10, "outcome": "refused", "weight": 50, **chat},
            {"at": NOW - 10, "outcome": "error", "weight": 50, "route": "/health"},
            {"at": NOW - 31 * 86_400, "outcome": "error", "weight": 7, **chat},
        ],
    )
    assert (row["bad_300"], row["total_300"]) == (10, 100)
    assert (row["bad_7200"], row["total_7200"]) == (15, 105)
    assert (row["bad_2592000"], row["total_2592000"]) == (15, 105)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "gateway-overhead-p95",
            {"duration_ms": 300, "upstream_ms": 200},
            {"duration_ms": 301, "upstream_ms": 200},
        ),
        ("time-to-first-chunk", {"stream": 1, "ttfc_ms": 2560}, {"stream": 1, "ttfc_ms": 2561}),
        (
            "token-checks",
            {"auth_reason": "ok", "auth_ms": 10},
            {"auth_reason": "bad_signature", "auth_ms": 11},
        ),
        ("l1-hits", {"cache": "hit-l1", "l1_ms": 5}, {"cache": "hit-l1", "l1_ms": 5.1}),
        ("provider-choice", {"attempts": 1, "route_ms": 10}, {"attempts": 2, "route_ms": 11}),
        ("cache-hits", {"model": "m", "cache": "hit-l2"}, {"model": "m", "cache": "miss"}),
        ("request-cost", {"model": "m", "cost_usd": 0.05}, {"model": "m", "cost_usd": 0.0501}),
        (
            "llm-errors",
            {"model": "m", "cache": "miss", "outcome": "complete"},
            {"model": "m", "cache": "bypass", "outcome": "upstream_error"},
        ),
    ],
)
def test_each_promise_over_points_tells_good_from_bad(name: str, good: Any, bad: Any) -> None:
    row = _ask(name, [{"at": NOW - 1, "weight": 3, **good}, {"at": NOW - 1, **bad}])
    assert (row["bad_300"], row["total_300"]) == (1, 4)


def test_every_window_of_the_rules_is_in_the_query() -> None:
    found = windows_of(IN_POINTS[0])
    assert found == [300, 1_800, 3_600, 7_200, 21_600, 86_400, 259_200, 2_592_000]


# --- deltas


def test_a_backend_with_native_deltas_gets_the_same_numbers(tmp_path: Path) -> None:
    """Samples are what happened since the one before, between two evaluations; the same history as totals agrees."""
    ok, error = f'{SERIES}{{lumigate_outcome="complete"}}', f'{SERIES}{{lumigate_outcome="error"}}'
    expectations = [
        expect("sum(slo:period_total:events)", "11m", 200),
        expect("sum(slo:period_bad:events)", "11m", 20),
        expect('sum(slo:error:ratio{window="5m"})', "11m", 0.1),
        expect("sum(slo:observed:bool)", "11m", 1),
    ]
    minutes = 10
    deltas = {
        ok: " ".join(["_ 18"] * minutes),
        error: " ".join(["_ 2"] * minutes),
        BEATS: " ".join(["_ 1"] * minutes),
    }
    totals = {ok: "0+18x10", error: "0+2x10", BEATS: "0+1x10"}
    (tmp_path / "totals").mkdir()
    evaluate(tmp_path / "totals", [group(promise())], totals, expectations)
    content = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "30s",
                "input_series": [{"series": name, "values": values} for name, values in deltas.items()],
                "promql_expr_test": expectations,
            }
        ],
    }
    from slo.rules import rule_file

    (tmp_path / "rules.yaml").write_text(rule_file([group(promise(), temporality="delta")]))
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(content))
    run(promtool(), "test", "rules", tmp_path / "test.yaml")


def test_one_deployment_of_several_is_told_by_its_matchers() -> None:
    exprs = [rule.expr for rule in group(promise(), matchers={"job": "production"}).rules[:3]]
    for expr in exprs:
        assert expr.count("{") == expr.count('job="production"')
