"""The rules of Grafana's dashboard linter, as tests. Exceptions carry a reason, and one that is not needed fails.

https://github.com/grafana/dashboard-linter/blob/main/docs/index.md
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from dashboards.palette import MEANINGS, SAFE
from tests.dashboards.filled import panels, promql, queries
from tests.slo.promtool import promtool, run

type Dashboard = dict[str, Any]
_ON_TIME_CHANGE = 2
_UNITS = {
    *("short", "none", "s", "ms", "bytes", "Bps", "percentunit", "currencyUSD", "reqps", "cps", "wps"),
}
"""Those we use, of https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/valueFormats/categories.ts."""
_NO_UNIT = {"logs", "traces", "state-timeline"}

EXCEPTIONS: Mapping[tuple[str, str], str] = {
    (
        "template-instance",
        "*",
    ): "shards say which one they are in service_instance_id; every panel sums over them",
    ("target-instance", "*"): "the same: `instance` is the endpoint that was scraped, one for all shards",
    (
        "template-job-all-value",
        "*",
    ): "`.+` would let a job of another environment in: the list is the environment's",
    ("target-job", "recorded"): "the promises' records have service and slo, and no job: rules made them",
    ("target-rate-interval", "range"): "totals over the range that is shown, which is what their titles say",
    ("target-rate-interval", "heartbeat"): "one beat a minute: fewer than five minutes say nothing",
    ("target-rate-interval", "evidence"): "an alert's condition counts over the alert's own window",
    ("counter-agg", "beat"): "whether it beats at all, and when it was last seen: `changes` and `timestamp`",
    (
        "template-datasource",
        "vertamedia-clickhouse-datasource",
    ): "the linter wants the plug-in's id before `_datasource`, and no variable's name may have a hyphen",
    ("template-datasource", "explore.json"): "asks Loki and Tempo, no Prometheus",
    ("template-datasource", "analytics-engine.json"): "asks Analytics Engine, no Prometheus",
    ("template-job", "explore.json"): "logs and traces have a service, not a job",
    ("template-job", "analytics-engine.json"): "points have an environment, not a job",
}
"""Rule and what it does not hold for, with the reason."""
_used: set[tuple[str, str]] = set()


def excepted(rule: str, what: str) -> bool:
    for key in ((rule, what), (rule, "*")):
        if key in EXCEPTIONS:
            _used.add(key)
            return True
    return False


def variables(dashboard: Dashboard) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def template_datasource(name: str, dashboard: Dashboard) -> Iterator[str]:
    found = variables(dashboard).get("prometheus_datasource")
    if found is None:
        if not excepted("template-datasource", name):
            yield "has no variable prometheus_datasource"
    elif (found["type"], found["label"]) != ("datasource", "Prometheus data source"):
        yield "its data source variable is mislabelled"
    for each in variables(dashboard).values():
        if each["type"] != "datasource" or (
            each["name"] == f"{each['query']}_datasource"
            and each["label"] == f"{each['query'].title()} data source"
        ):
            continue
        if not excepted("template-datasource", each["query"]):
            yield f"{each['name']} is not named after its plug-in"


def template_job(name: str, dashboard: Dashboard) -> Iterator[str]:
    job = variables(dashboard).get("job")
    if job is None:
        if not excepted("template-job", name):
            yield "has no variable job"
        return
    if not (job["multi"] and job["includeAll"] and job["label"] == "Job"):
        yield "job is not a list with All"
    if job.get("allValue") != ".+" and not excepted("template-job-all-value", name):
        yield "job's All is not .+"
    if "instance" not in variables(dashboard) and not excepted("template-instance", name):
        yield "has no variable instance"


def template_on_time_change_reload(name: str, dashboard: Dashboard) -> Iterator[str]:
    del name
    for variable in variables(dashboard).values():
        if variable["type"] == "query" and variable["refresh"] != _ON_TIME_CHANGE:
            yield f"{variable['name']} does not follow the time range"


def template_uneditable(name: str, dashboard: Dashboard) -> Iterator[str]:
    del name
    if dashboard["editable"] is not False:
        yield "can be edited by hand, and is generated"


def panel_datasource(name: str, dashboard: Dashboard) -> Iterator[str]:
    del name
    templated = {f"${{{v['name']}}}" for v in variables(dashboard).values() if v["type"] == "datasource"}
    for panel in panels(dashboard):
        for each in (panel, *panel["targets"]):
            if each["datasource"]["uid"] not in templated:
                yield f"{panel['title']} asks {each['datasource']}"


def panel_title_description(name: str, dashboard: Dashboard) -> Iterator[str]:
    del name
    for panel in panels(dashboard):
        if not panel.get("title") or "Bad:" not in panel.get("description", ""):
            yield f"{panel.get('title')}: no description that says what a bad value looks like"


def panel_units(name: str, dashboard: Dashboard) -> Iterator[str]:
    del name
    for panel in panels(dashboard):
        unit = panel["fieldConfig"]["defaults"].get("unit", "none" if panel["type"] in _NO_UNIT else None)
        columns = [
            p["value"]
            for o in panel["fieldConfig"]["overrides"]
            for p in o["properties"]
            if p["id"] == "unit"
        ]
        if unit not in _UNITS or not set(columns) <= _UNITS:
            yield f"{panel['title']}: unit {unit} {columns}"


def panel_links(name: str, dashboard: Dashboard) -> Iterator[str]:
    """Ours: a panel is not an end."""
    del name
    for panel in panels(dashboard):
        if not panel.get("links"):
            yield f"{panel['title']} links nowhere"


def target_rate_interval(name: str, dashboard: Dashboard) -> Iterator[str]:
    for query in queries({name: dashboard}, "prometheus"):
        for window in re.findall(r"\[([^\]]+)\]", query.text):
            kind = {"$__range": "range", "5m": "heartbeat"}.get(window, "evidence")
            if window != "$__rate_interval" and not excepted("target-rate-interval", kind):
                yield f"{query.id}: [{window}]"
            if (
                kind == "heartbeat"
                and "heartbeat" not in query.text
                and query.panel != "Which alert would fire"
            ):
                yield f"{query.id}: [{window}]"


def target_job(name: str, dashboard: Dashboard) -> Iterator[str]:
    for query in queries({name: dashboard}, "prometheus"):
        for metric, matchers in re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)?\{([^}]*)\}", promql(query.text)):
            if metric.startswith("slo:"):
                excepted("target-job", "recorded")
            elif 'job=~".+"' not in matchers:
                yield f"{query.id}: {metric} has no job"
            if 'instance=~"$instance"' not in matchers:
                excepted("target-instance", name)


def panel_no_targets(name: str, dashboard: Dashboard) -> Iterator[str]:
    del name
    for panel in panels(dashboard):
        if not panel["targets"]:
            yield f"{panel['title']} asks nothing"


def target_counter_agg(name: str, dashboard: Dashboard) -> Iterator[str]:
    """A counter is shown by how it grows: inside `rate` or `increase`, or, where that is the question, `changes`."""
    for query in queries({name: dashboard}, "prometheus"):
        for function, metric in re.findall(r"(\w*)\(?\b(\w+_total)\b", query.text):
            allowed = {"rate", "increase"} | (
                {"changes", "timestamp"}
                if "heartbeat" in metric and excepted("counter-agg", "beat")
                else set()
            )
            if function not in allowed:
                yield f"{query.id}: {function}({metric})"


def logql_auto(name: str, dashboard: Dashboard) -> Iterator[str]:
    for query in queries({name: dashboard}, "loki"):
        if any(window != "$__auto" for window in re.findall(r"\[([^\]]+)\]", query.text)):
            yield f"{query.id}: a fixed range"


def colour_blind_safe(name: str, dashboard: Dashboard) -> Iterator[str]:
    """Ours: only colours of the palette, and none of Grafana's red and green."""
    del name
    for panel in panels(dashboard):
        text = str(panel["fieldConfig"])
        used = set(re.findall(r"#[0-9A-Fa-f]{6}", text))
        if not used <= SAFE or re.search(r"'(red|green|dark-red|dark-green|semi-dark-\w+)'", text):
            yield f"{panel['title']}: {used - SAFE}"


def colours_that_tell_apart(name: str, dashboard: Dashboard) -> Iterator[str]:
    """Ours: series that have a colour each have one of their own, but for those that mean the same."""
    del name
    for panel in panels(dashboard):
        if panel["type"] != "timeseries":
            continue
        given = {
            o["matcher"]["options"]: p["value"]["fixedColor"]
            for o in panel["fieldConfig"]["overrides"]
            for p in o["properties"]
            if p["id"] == "color"
        }
        unmeant = [colour for series, colour in given.items() if series not in MEANINGS]
        if len(set(unmeant)) < len(unmeant):
            yield f"{panel['title']}: {given}"


RULES: tuple[Callable[[str, Dashboard], Iterator[str]], ...] = (
    template_datasource,
    template_job,
    template_on_time_change_reload,
    template_uneditable,
    panel_datasource,
    panel_title_description,
    panel_units,
    panel_links,
    target_rate_interval,
    target_job,
    target_counter_agg,
    panel_no_targets,
    logql_auto,
    colour_blind_safe,
    colours_that_tell_apart,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule: Callable[[str, Dashboard], Iterator[str]], generated: dict[str, Dashboard]) -> None:
    assert [f"{name}: {fault}" for name, content in generated.items() for fault in rule(name, content)] == []


def test_every_exception_is_needed(generated: dict[str, Dashboard]) -> None:
    for rule in RULES:
        for name, content in generated.items():
            list(rule(name, content))
    assert set(EXCEPTIONS) == _used


def test_every_query_is_valid_promql(generated: dict[str, Dashboard], tmp_path: Any) -> None:
    """`target-promql-rule`, by Prometheus' own parser: the queries as recording rules."""
    rules = [
        {"record": f"panel:query:{index}", "expr": promql(query.text)}
        for index, query in enumerate(queries(generated, "prometheus"))
    ]
    import yaml

    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), "utf-8")
    said = run(promtool(), "check", "rules", path)
    assert f"{len(rules)} rules found" in said


def test_variable_queries_are_valid(generated: dict[str, Dashboard]) -> None:
    """`template-label-promql-rule`: `label_values(series, label)` with a series that can be asked for."""
    asked = {
        v["definition"] for d in generated.values() for v in variables(d).values() if v.get("definition")
    }
    prometheus = [text for text in asked if text.startswith("label_values")]
    assert len(prometheus) >= 6
    assert all(re.fullmatch(r"label_values\([a-z_:]+(\{.*\})?, [a-z_]+\)", text) for text in prometheus)
