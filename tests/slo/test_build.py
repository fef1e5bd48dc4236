"""What is committed is what the specs generate, and the runbooks are whole."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from local.cli import main
from slo.build import GENERATED, ROOT, TESTS, Sources, drift, generate, generate_tests, write
from slo.command import TO_RULES
from slo.durations import promql
from slo.prometheus import promise_group, service_group
from slo.runbooks import FOLDER, faults, known_labels, queries
from tests.slo.examples import settings
from tests.slo.promtool import promtool, run

SOURCES = Sources.load()
DASHBOARDS = ROOT.parent / "dashboards" / "generated"


def test_the_committed_files_are_what_the_specs_generate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slo", "check"]) == 0, capsys.readouterr().err
    assert drift(GENERATED, generate(SOURCES)) == []
    assert drift(TESTS, generate_tests(SOURCES, TO_RULES)) == []


def test_drift_is_what_was_changed_lost_or_left_over(tmp_path: Path) -> None:
    files = {"a/same": "1", "a/changed": "2", "missing": "3"}
    for name, text in {"a/same": "1", "a/changed": "x", "left": "4"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert drift(tmp_path, files) == ["a/changed", "left", "missing"]
    assert write(tmp_path, files) == ["a/changed", "missing"]
    assert (tmp_path / "left").exists(), "what is not ours is let alone"
    assert write(tmp_path, files, own=True) == ["left"]
    assert drift(tmp_path, files) == []


def test_a_generated_file_says_so() -> None:
    for files in (generate(SOURCES), generate_tests(SOURCES, TO_RULES)):
        for name, text in files.items():
            assert "Do not edit" in text.splitlines()[0], name


def test_no_name_of_a_metric_is_spelt_by_hand() -> None:
    """In the package; the runbooks are checked against the catalog instead."""
    emitted = [name for name in known_labels() if not name.startswith("slo:")]
    for path in ROOT.glob("*.py"):
        text = path.read_text()
        assert [name for name in emitted if re.search(rf"\b{name}\b", text)] == [], path.name


# --- runbooks


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert faults(SOURCES) == []
    assert len(list(FOLDER.glob("*.md"))) >= len(SOURCES.promises) + 4


def test_the_queries_of_the_runbooks_are_promql(tmp_path: Path) -> None:
    rules = [
        {"record": f"runbook:{n}:{m}", "expr": query}
        for n, path in enumerate(sorted(FOLDER.glob("*.md")))
        for m, query in enumerate(queries(path.read_text()))
    ]
    assert len(rules) == 3 * len(list(FOLDER.glob("*.md")))
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))
    run(promtool(), "check", "rules", tmp_path / "rules.yaml")


def test_the_runbooks_speak_only_of_settings_and_commands_that_there_are() -> None:
    documented = (ROOT.parent / "docs" / "settings.md").read_text()
    named = set()
    for path in FOLDER.glob("*.md"):
        text = path.read_text()
        named |= {(path.name, name) for name in re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+|MODELS)[=`]", text)}
        for command in re.findall(r"`(?:uv run )?lumigate ([a-z]+ [a-z]+)", text):
            assert main([*command.split(), "--help"]) == 0, f"{path.name}: lumigate {command}"
    assert len(named) > 10
    assert {each for each in named if f"`{each[1]}`" not in documented} == set()


def test_links_between_runbooks_lead_somewhere() -> None:
    for path in FOLDER.glob("*.md"):
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
            assert (FOLDER / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("lumigate_request_outcomes_total", "lumigate_request_outcome_total", "nothing emits"),
        ("lumigate_outcome=~", "lumigate_result=~", "has no label 'lumigate_result'"),
        ("## Likely causes", "## Causes", "'## Likely causes' is missing"),
        ("```promql", "```text", "the first three checks are three queries"),
    ],
)
def test_a_runbook_that_is_wrong_is_noticed(tmp_path: Path, old: str, new: str, fault: str) -> None:
    for path in FOLDER.glob("*.md"):
        text = path.read_text()
        assert path.stem != "availability" or old in text
        (tmp_path / path.name).write_text(text.replace(old, new) if path.stem == "availability" else text)
    (found,) = {each for each in faults(SOURCES, tmp_path) if fault in each}
    assert found.startswith("runbooks/availability.md: ")


def test_every_alert_says_what_the_one_on_call_needs() -> None:
    texts = yaml.safe_load((GENERATED / "prometheus/availability.rules.yaml").read_text())["groups"][0][
        "rules"
    ]
    page = next(rule for rule in texts if rule.get("alert") == "LumigateAvailabilityBurn")
    assert page["labels"]["severity"] == "page"
    words = page["annotations"]
    assert set(words) == {
        "summary",
        "description",
        "budget",
        "condition",
        "dashboard",
        "budget_dashboard",
        "runbook_url",
    }
    assert words["description"].endswith("Objective: 99.9% over 30 days.")
    assert "slo:budget_spent:ratio" in words["budget"]
    assert "slo:time_to_exhaustion:seconds" in words["budget"]
    assert words["condition"] == (
        "A page at 14.4 times over 1h and 5m or 6 times over 6h and 30m, from 5 bad events on."
    )
    assert "/d/lumigate-service?from=" in words["dashboard"]
    assert words["budget_dashboard"].endswith("&var-service=lumigate&var-slo=availability")
    assert promql(3600) == "1h"


def test_no_alert_leaves_out_what_it_can_say() -> None:
    rules = [
        rule
        for path in sorted((GENERATED / "prometheus").glob("*.rules.yaml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    assert len(rules) > 40
    for rule in rules:
        words = rule["annotations"]
        assert rule["labels"]["severity"] in {"page", "ticket", "info"}
        assert {"summary", "description", "dashboard", "runbook_url"} <= words.keys(), rule["alert"]
        # a burn and a stage of the policy are about a budget; the rest is about what happened
        about_a_budget = re.search(r"Burn$|Budget\w+Spent$", rule["alert"]) is not None
        assert ("slo:time_to_exhaustion:seconds" in words.get("budget", "")) is about_a_budget, rule["alert"]


@pytest.mark.parametrize("matchers", [{}, {"job": "lumigate production"}])
def test_every_link_leads_to_a_dashboard_that_has_its_variables(matchers: dict[str, str]) -> None:
    boards = {
        board["uid"]: {variable["name"] for variable in board["templating"]["list"]}
        for board in (json.loads(path.read_text()) for path in DASHBOARDS.glob("*.json"))
    }
    chosen = settings(matchers=matchers)
    groups = [*(promise_group(p, chosen) for p in SOURCES.promises), service_group(chosen, SOURCES.policy)]
    links = [
        text
        for one in groups
        for alert in one.alerts
        for name, text in alert.annotations.items()
        if name.endswith("dashboard")
    ]
    assert len(links) > 30
    for link in links:
        found = re.match(r"https://grafana\.example\.com/d/([\w-]+)\?from=", link)
        assert found is not None, link
        assert set(re.findall(r"[?&]var-(\w+)=", link)) <= boards[found[1]], link
    assert all(("var-job=lumigate+production" in link) is bool(matchers) for link in links)
    of_promises = [link for link in links if "/d/lumigate-slo?" in link]
    assert all("var-service=lumigate" in link for link in of_promises)
