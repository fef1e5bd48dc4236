"""What is generated for others than Prometheus: Alertmanager, Grafana, and backends with deltas."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo.alertmanager import alertmanager_config
from slo.build import GENERATED, Sources
from slo.grafana import grafana_policies, grafana_rules
from slo.prometheus import promise_group, service_group
from slo.rules import Alert
from tests.slo.examples import BEATS, SERIES, group, policy, promise, settings
from tests.slo.promtool import evaluate, expect, promtool, run, tool

SOURCES = Sources.load()


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


def test_a_page_goes_out_at_once_and_tickets_are_gathered() -> None:
    route = yaml.safe_load(alertmanager_config(settings(), policy()))["route"]
    (page,) = route["routes"]
    assert (page["group_wait"], page["group_interval"], route["group_wait"]) == ("0s", "60s", "300s")
    assert "alertname" in page["group_by"], "or two pages would be one"
    assert "alertname" not in route["group_by"]


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
    # a sample is an alert, also one of 0 as the contradiction of a quiet hour may be
    assert queries["B"]["model"]["conditions"] == [{"evaluator": {"type": "gt", "params": [-1]}}]
    for text in rule["annotations"].values():
        assert "$" not in text
        assert "query `" not in text
        assert set(re.findall(r"\.Values\.([A-Z])", text)) <= set(queries)
        # a figure that is missing is said to be: by a value that no query has
        for figure in set(re.findall(r"\.Values\.([C-Z])", text)):
            assert f"{{{{ if gt .Values.{figure}.Value -1000000.0 }}}}" in text
            assert (
                " or -1000000 + 0 * sum without() (slo:objective:ratio{" in queries[figure]["model"]["expr"]
            )


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
        scraped = re.findall(r"(?<![\w:])(?!slo:)[\w:]+\{[^}]*\}", expr)
        assert scraped
        assert all('job="production"' in selector for selector in scraped)
