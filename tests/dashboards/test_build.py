"""What is committed is what is generated; what the catalog lacks cannot be asked for; links and uids lead somewhere."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dashboards import build, palette
from dashboards.board import TAG
from dashboards.boards import uids
from dashboards.boards.limits import Limits
from dashboards.explore import field, own_attribute, spans
from dashboards.promql import NotInCatalog, Prom, at_least_zero, attribute_of, ratio, unless, where
from dashboards.sql import column
from local import cli
from lumigate import catalog
from lumigate.exposition.names import prometheus_name
from lumigate.telemetry.self_metrics import BREAKER_STATE
from slo.build import Sources
from slo.prometheus import promise_group
from slo.settings import load_settings
from tests.dashboards.filled import panels, promql
from tests.slo.promtool import evaluate, expect

Q = Prom({"route": catalog.HTTP_ROUTE})


def test_the_committed_files_are_what_is_generated() -> None:
    assert build.drift(build.generate()) == []


def test_check_fails_on_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path / "dashboards")
    monkeypatch.setattr(build, "GENERATED", tmp_path / "dashboards" / "generated")
    monkeypatch.setattr(build, "PICTURES", tmp_path / "docs" / "dashboards")
    assert cli.main(["dashboards", "check"]) == 1
    assert cli.main(["dashboards", "build"]) == 0
    assert cli.main(["dashboards", "check"]) == 0
    (changed, *_) = sorted((tmp_path / "dashboards" / "generated").iterdir())
    changed.write_text(changed.read_text("utf-8").replace("s", "z", 1), "utf-8")
    (tmp_path / "docs" / "dashboards" / "left-over.svg").write_text("", "utf-8")
    capsys.readouterr()
    assert cli.main(["dashboards", "check"]) == 1
    said = capsys.readouterr().err
    assert f"dashboards/generated/{changed.name}: not what the sources generate" in said
    assert "left-over.svg" in said


def test_building_twice_gives_the_same() -> None:
    assert build.generate() == build.generate()


def test_a_query_names_the_series_as_prometheus_does() -> None:
    assert Q.rate(catalog.OUTCOMES, where(catalog.OUTCOME, "error"), by=(catalog.HTTP_ROUTE,)) == (
        'sum by (http_route) (rate(lumigate_request_outcomes_total{job=~"$job", lumigate_outcome="error", '
        'http_route=~"${route}"}[$__rate_interval]))'
    )
    assert "http_server_request_duration_seconds_bucket{" in Q.quantile(0.9, catalog.REQUEST_DURATION)


def test_silence_as_zero_is_in_brackets() -> None:
    """`a or vector(0) / b` would divide the zero only."""
    assert ratio(at_least_zero("a"), "b") == "(a or vector(0))\n/\n(b > 0)"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: Q.rate(catalog.OUTCOMES, by=(catalog.GEN_AI_MODEL,)),
        lambda: Q.rate(catalog.OUTCOMES, where(catalog.CACHE_TIER, "l1")),
        lambda: where(catalog.OUTCOME, "sad"),
        lambda: unless(catalog.CACHE_TIER, "l9"),
        lambda: Q.rate(catalog.REQUEST_DURATION),
        lambda: Q.rate(catalog.OUTCOMES, part="_count"),
        lambda: Q.rate(BREAKER_STATE),
        lambda: Q.level(catalog.OUTCOMES),
        lambda: Q.series(catalog.GATEWAY_OVERHEAD, part="_bucket", le=0.0501),
        lambda: attribute_of(catalog.OUTCOMES, "lumigate.tenant"),
        lambda: column("subject_hash"),
        lambda: field("prompt"),
        lambda: own_attribute(catalog.SERVER_SPAN, "lumigate.mood"),
        lambda: spans(replace(catalog.SERVER_SPAN, name="another")),
    ],
)
def test_what_the_catalog_lacks_fails_the_build(ask: Any) -> None:
    with pytest.raises(NotInCatalog):
        ask()


def test_the_command_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise NotInCatalog("lumigate.hedges is not there")

    monkeypatch.setattr(build, "generate", broken)
    assert cli.main(["dashboards", "check"]) == 1
    assert "lumigate.hedges is not there" in capsys.readouterr().err


def test_alerts_link_to_dashboards_that_exist(generated: dict[str, Any]) -> None:
    boards = load_settings(Path(build.ROOT).parent / "slo" / "settings.yaml").dashboards
    there = {content["uid"] for content in generated.values()}
    assert {boards.slo, *boards.by_slo.values()} <= there


def test_links_and_uids_lead_somewhere(generated: dict[str, Any]) -> None:
    there = {content["uid"] for content in generated.values()}
    assert there == {value for name, value in vars(uids).items() if name.isupper()}
    linked = set(re.findall(r"/d/([a-z-]+)", json.dumps(generated)))
    assert linked == there


def test_variables_that_links_set_are_there(generated: dict[str, Any]) -> None:
    by_uid = {c["uid"]: {v["name"] for v in c["templating"]["list"]} for c in generated.values()}
    for uid, name in re.findall(r"/d/([a-z-]+)\?[^\"]*?var-(\w+)=", json.dumps(generated)):
        assert name in by_uid[uid], f"{uid} has no variable {name}"


def test_every_metric_of_the_catalog_is_shown(generated: dict[str, Any]) -> None:
    shown = json.dumps(generated)
    assert [m.name for m in catalog.METRICS if prometheus_name(m) not in shown] == []


def test_graphs_lead_to_what_is_behind_them(generated: dict[str, Any]) -> None:
    """Narrowed by the labels that every series of the graph has, and by no other."""
    graphs = {
        (name, panel["title"]): panel["fieldConfig"]["defaults"]["links"][0]["url"]
        for name, content in generated.items()
        for panel in panels(content)
        if panel["type"] == "timeseries" and panel["datasource"]["type"] == "prometheus"
    }
    assert len(graphs) > 100
    assert all(url.startswith(f"/d/{uids.EXPLORE}?") for url in graphs.values())
    assert graphs["service.json", "Requests by route"].endswith("&var-route=${__field.labels.http_route}")
    assert graphs["models.json", "Calls by model"].endswith(
        "&var-model=${__field.labels.gen_ai_request_model}"
    )
    assert "var-" not in graphs["service.json", "How answers end"]


def test_runbooks_that_panels_lead_to_are_there(generated: dict[str, Any]) -> None:
    runbooks = Path(build.ROOT).parent / "slo" / "runbooks"
    url = load_settings(runbooks.parent / "settings.yaml").runbook_url
    linked = set(re.findall(rf"{re.escape(url)}/([\w-]+)\.md", json.dumps(generated)))
    assert {promise.name for promise in Sources.load().promises} <= linked
    assert [name for name in linked if not (runbooks / f"{name}.md").is_file()] == []
    with pytest.raises(KeyError):
        Limits([], url).runbook("no-such-page")


def test_every_dashboard_is_tagged_described_and_linked_to_the_others(generated: dict[str, Any]) -> None:
    for content in generated.values():
        assert TAG in content["tags"]
        assert len(content["tags"]) > 1
        assert content["description"]
        (siblings,) = content["links"]
        assert siblings["tags"] == [TAG]
        assert (siblings["includeVars"], siblings["keepTime"]) == (True, True)
        assert "id" not in content


def test_every_promise_has_a_row(generated: dict[str, Any]) -> None:
    rows = {panel["title"] for panel in generated["slo.json"]["panels"] if panel["type"] == "row"}
    assert {promise.title for promise in Sources.load().promises} <= rows


def test_a_budget_below_zero_is_on_its_graph(generated: dict[str, Any]) -> None:
    graphs = [p for p in panels(generated["slo.json"]) if p["title"] == "Budget, burning down"]
    assert len(graphs) == len(Sources.load().promises) + 1
    assert all(graph["fieldConfig"]["defaults"].get("min") is None for graph in graphs)


def test_the_panel_of_alerts_counts_what_the_alerts_count(generated: dict[str, Any]) -> None:
    """The same samples of the same record, to the millisecond; both windows of each tier, and its factor."""
    sources = Sources.load()
    asked = re.compile(
        r"sum_over_time\((slo:bad:increase)\{[^}]*slo=\"([\w-]+)\"\}\[(\w+)\]\)"
        r"|slo:burn:rate\{[^}]*slo=\"([\w-]+)\", ?window=\"(\w+)\"\} > (?:bool )?([\d.]+)"
    )
    shown = {
        found
        for panel in panels(generated["slo.json"])
        if panel["title"] == "Which alert would fire"
        for target in panel["targets"]
        for found in asked.findall(target["expr"])
    }
    alerts = {
        found
        for one in sources.promises
        for alert in promise_group(one, sources.settings).alerts
        if alert.alert.endswith("Burn")
        for found in asked.findall(alert.expr)
    }
    assert len(alerts) > 100
    assert alerts <= shown


def test_the_hit_rate_is_judged_by_what_is_promised(generated: dict[str, Any]) -> None:
    (panel,) = [p for p in panels(generated["cache.json"]) if p["title"] == "Hit rate"]
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [(step["value"], step["color"]) for step in steps] == [
        (None, palette.BAD),
        (0.7, palette.WARNING),
        (0.9, palette.GOOD),
    ]


def test_every_status_of_a_refusal_is_among_the_refusals(generated: dict[str, Any]) -> None:
    """Those of errors that the dashboards never import, too."""
    (panel,) = [p for p in panels(generated["access.json"]) if p["title"] == "Refusals by code"]
    (pattern,) = re.findall(r'http_response_status_code=~"([^"]*)"', panel["targets"][0]["expr"])
    told = {status for status in range(100, 600) if re.fullmatch(pattern, str(status))}
    assert told == set(range(400, 500))


def test_a_telemetry_that_stopped_long_ago_is_told_by_its_panels(
    generated: dict[str, Any], tmp_path: Path
) -> None:
    """Twenty minutes after the last scrape: no sample is left to look at, which is when somebody looks."""
    asked = {p["title"]: promql(p["targets"][0]["expr"]) for p in panels(generated["telemetry.json"])}
    evaluate(
        tmp_path,
        [],
        {'lumigate_heartbeat_total{job="j"}': "0+1x20"},
        [
            expect(asked["Heartbeats, 5 min"], "40m", 0),
            expect(asked["Age of what was scraped"], "40m", 1200, '{job="j"}'),
        ],
    )


def test_deploys_are_annotations(generated: dict[str, Any]) -> None:
    names = {each["name"] for each in generated["service.json"]["annotations"]["list"]}
    assert {"New version", "Deploy settled", "Deploys marked"} <= names


def test_histograms_show_exemplars(generated: dict[str, Any]) -> None:
    quantiles = [
        target
        for name in ("service.json", "models.json")
        for panel in panels(generated[name])
        for target in panel["targets"]
        if "histogram_quantile" in target["expr"] and not target["instant"]
    ]
    assert sum(target["exemplar"] for target in quantiles) > len(quantiles) / 2
