"""A Sloth spec comes in: as OpenSLO, with rules that count exactly, under Sloth's names if that is wanted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml

from local.cli import main
from slo.loading import load_promises
from slo.model import Counted, RawRatio
from slo.rules import Alert
from slo.sloth import import_sloth
from slo.sloth_names import sloth_identity
from slo.yaml_lines import SpecError
from tests.slo.examples import group
from tests.slo.promtool import evaluate, expect, promtool, run

SPEC = """\
version: "prometheus/v1"
service: "myservice"
labels:
  owner: "myteam"
slos:
  - name: "requests-availability"
    objective: 99.9
    description: "Availability of HTTP requests."
    sli:
      events:
        error_query: sum(rate(http_requests_total{job="myservice",code=~"(5..|429)"}[{{.window}}]))
        total_query: sum(rate(http_requests_total{job="myservice"}[{{.window}}]))
    alerting:
      name: MyServiceHighErrorRate
      labels: {category: availability}
      annotations: {summary: Too many errors}
      page_alert: {labels: {severity: pageteam, routing_key: myteam}, annotations: {channel: "#alerts"}}
      ticket_alert: {disable: true}
  - name: "requests-latency"
    objective: 99
    sli:
      events:
        error_query: |
          (
            sum(rate(http_seconds_count{verb!="WATCH"}[{{.window}}]))
            -
            sum(rate(http_seconds_bucket{le="0.4",verb!="WATCH"}[{{ .window }}]))
          )
        total_query: sum(rate(http_seconds_count{verb!="WATCH"}[{{.window}}]))
    alerting: {name: Latency}
  - name: "wifi"
    objective: 95
    sli:
      raw:
        error_ratio_query: avg_over_time(wifi_errors:ratio[{{.window}}])
    alerting: {page_alert: {disable: true}, ticket_alert: {disable: true}}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "sloth.yml"
    path.write_text(SPEC)
    return path


def test_a_sloth_spec_becomes_openslo(spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    assert main(["slo", "import", str(spec), "--out", str(folder), "--period", "28d"]) == 0
    promises = {promise.name: promise for promise in load_promises(folder)}
    availability = promises["requests-availability"]
    assert availability.percent == "99.9%"
    assert availability.period == 28 * 86_400
    assert availability.labels == {"owner": "myteam"}, "alerting.labels are on alerts only, as Sloth has it"
    assert {name: p.policy for name, p in promises.items()} == {
        "requests-availability": "page-only",
        "requests-latency": "page-and-ticket",
        "wifi": "no-alerts",
    }
    assert isinstance(promises["requests-latency"].indicator, Counted)
    assert isinstance(promises["wifi"].indicator, RawRatio)
    assert main(["slo", "import", str(spec), "--out", str(folder)]) == 1, "nothing is overwritten"


def test_rules_are_built_from_it_under_sloths_names_as_well(spec: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "specs", tmp_path / "out"
    assert main(["slo", "import", str(spec), "--out", str(folder)]) == 0
    assert main(["slo", "build", "--specs", str(folder), "--out", str(out), "--names", "sloth"]) == 0
    rules = sorted((out / "prometheus").glob("*.rules.yaml"))
    run(promtool(), "check", "rules", *rules)
    content = yaml.safe_load((out / "prometheus/requests-availability.rules.yaml").read_text())
    names = {rule["record"] for rule in content["groups"][0]["rules"] if "record" in rule}
    windows = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
    assert names >= {f"slo:sli_error:ratio_rate{window}" for window in windows} | {
        "slo:objective:ratio",
        "slo:error_budget:ratio",
        "slo:time_period:days",
        "slo:current_burn_rate:ratio",
        "slo:period_burn_rate:ratio",
        "slo:period_error_budget_remaining:ratio",
        "sloth_slo_info",
    }


def test_records_bear_the_labels_that_sloth_puts_on_them(spec: Path, tmp_path: Path) -> None:
    """As `sloth generate` (0.12.0) wrote them for this spec; `sloth_version` says who recorded."""
    folder, out = tmp_path / "specs", tmp_path / "out"
    assert main(["slo", "import", str(spec), "--out", str(folder)]) == 0
    assert main(["slo", "build", "--specs", str(folder), "--out", str(out), "--names", "sloth"]) == 0
    content = yaml.safe_load((out / "prometheus/requests-availability.rules.yaml").read_text())
    found = {
        rule["record"]: rule["labels"]
        for rule in content["groups"][0]["rules"]
        if "sloth_id" in rule.get("labels", {}) and "record" in rule
    }
    common = {
        "owner": "myteam",
        "sloth_id": "myservice-requests-availability",
        "sloth_service": "myservice",
        "sloth_slo": "requests-availability",
    }
    info = {"sloth_mode": "cli-gen-prom", "sloth_spec": "prometheus/v1", "sloth_objective": "99.9"}
    assert found["sloth_slo_info"] == {**common, **info, "sloth_version": "lumigate"}
    assert found["slo:sli_error:ratio_rate5m"] == {**common, "sloth_window": "5m"}
    assert found["slo:error_budget:ratio"] == common


def test_names_that_openslo_cannot_have_are_kept_in_sloths_labels(spec: Path, tmp_path: Path) -> None:
    """Or dashboards that were made for them would be empty."""
    folder = tmp_path / "specs"
    named = SPEC.replace('"myservice"', '"My_Service.v2"', 1).replace('"wifi"', '"Wifi.Office"')
    spec.write_text(named)
    assert main(["slo", "import", str(spec), "--out", str(folder)]) == 0
    promises = {promise.name: promise for promise in load_promises(folder)}
    assert sloth_identity(promises["wifi-office"]) == {
        "sloth_id": "My_Service.v2-Wifi.Office",
        "sloth_service": "My_Service.v2",
        "sloth_slo": "Wifi.Office",
    }
    rules = group(promises["requests-latency"], names="sloth").rules
    assert not any("/" in name for rule in rules if isinstance(rule, Alert) for name in rule.annotations)
    assert promises["requests-latency"].service == "my-service-v2"


def test_two_promises_that_would_share_a_file_are_refused(spec: Path) -> None:
    """Several services in one file, each with an `availability`: none may be lost in silence."""
    spec.write_text(SPEC + "---\n" + SPEC.replace('"myservice"', '"another"', 1))
    with pytest.raises(SpecError) as raised:
        import_sloth(spec)
    assert len(raised.value.faults) == 3
    assert "slos.0.name: another one comes as requests-availability.yaml as well" in raised.value.faults[0]


def test_a_period_that_is_none_is_refused_before_anything_is_written(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["slo", "import", str(spec), "--out", str(tmp_path / "specs"), "--period", "a month"]
    assert main(command) == 1
    assert capsys.readouterr().err.startswith("--period: 'a month' is not a duration")
    assert not (tmp_path / "specs").exists()


def test_the_numbers_are_those_that_happened(spec: Path, tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    for name, text in import_sloth(spec).items():
        (tmp_path / "specs" / name).write_text(text)
    promises = {promise.name: promise for promise in load_promises(tmp_path / "specs")}
    identity = 'sloth_id="myservice-requests-availability",sloth_service="myservice",sloth_slo="requests-availability"'
    evaluate(
        tmp_path,
        [group(dataclasses.replace(promise), names="sloth") for promise in promises.values()],
        {
            'http_requests_total{job="myservice",code="200"}': "0+90x30",
            'http_requests_total{job="myservice",code="503"}': "0+10x30",
            'http_seconds_count{verb="GET"}': "0+100x30",
            'http_seconds_bucket{verb="GET",le="0.4"}': "0+99x30",
            "wifi_errors:ratio": "0.25x30",
        },
        [
            expect(f"sum(slo:sli_error:ratio_rate30d{{{identity}}})", "30m", 0.1),
            expect(f"sum(slo:period_burn_rate:ratio{{{identity}}})", "30m", 0.1 / 0.001),
            expect('sum(slo:error:ratio{slo="requests-latency",window="1h"})', "30m", 0.01),
            expect('sum(slo:error:ratio{slo="wifi",window="30d"})', "30m", 0.25),
            expect('sum(slo:observed:bool{slo="wifi"})', "30m", 1),
        ],
    )


def test_sloths_burn_of_now_is_that_of_the_last_minutes_and_its_budget_is_the_budget(
    spec: Path, tmp_path: Path
) -> None:
    (tmp_path / "specs").mkdir()
    for name, text in import_sloth(spec).items():
        (tmp_path / "specs" / name).write_text(text)
    (availability,) = (p for p in load_promises(tmp_path / "specs") if p.name == "requests-availability")
    evaluate(
        tmp_path,
        [group(availability, names="sloth")],
        {
            'http_requests_total{job="myservice",code="200"}': "0+100x30 3000+90x10",
            'http_requests_total{job="myservice",code="503"}': "0x30 0+10x10",
        },
        [
            expect("sum(slo:error_budget:ratio)", "42m", 0.001),
            expect('sum(slo:objective:ratio{sloth_slo="requests-availability"})', "42m", 0.999),
            expect("sum(slo:time_period:days)", "42m", 30),
            expect("sum(slo:current_burn_rate:ratio)", "42m", 0.1 / 0.001),
            expect("abs(sum(slo:period_burn_rate:ratio) - 25) < bool 1e-9", "42m", 1),
        ],
    )


def test_an_alerts_own_labels_and_annotations_come_along(spec: Path, tmp_path: Path) -> None:
    """Its severity is ours: whoever routes by Sloth's finds `sloth_severity`."""
    folder, out = tmp_path / "specs", tmp_path / "out"
    assert main(["slo", "import", str(spec), "--out", str(folder)]) == 0
    assert main(["slo", "build", "--specs", str(folder), "--out", str(out), "--names", "sloth"]) == 0
    alerts = {
        (rule["labels"]["sloth_slo"], rule["labels"]["severity"]): rule
        for path in (out / "prometheus").glob("*.rules.yaml")
        for rule in yaml.safe_load(path.read_text())["groups"][0]["rules"]
        if "sloth_severity" in rule.get("labels", {})
    }
    assert set(alerts) == {
        ("requests-availability", "page"),
        ("requests-latency", "page"),
        ("requests-latency", "ticket"),
    }
    page = alerts["requests-availability", "page"]
    assert page["labels"] == {
        "owner": "myteam",
        "category": "availability",
        "routing_key": "myteam",
        "severity": "page",
        "sloth_id": "myservice-requests-availability",
        "sloth_service": "myservice",
        "sloth_slo": "requests-availability",
        "sloth_severity": "page",
    }
    assert page["annotations"]["channel"] == "#alerts"
    assert page["annotations"]["summary"] == "Too many errors"
    assert not any("/" in key for rule in alerts.values() for key in rule["annotations"])


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            "objective: 99.9",
            "objective: 101",
            r"sloth.yml:7: slos.0.objective: input should be less than 100",
        ),
        ('name: "wifi"', 'name: "__"', r"sloth.yml:\d+: slos.2.name: '__' has no letter or digit"),
        ('version: "prometheus/v1"', "version: 2", r"sloth.yml:1: version: "),
        (
            'sum(rate(http_requests_total{job="myservice"}[{{.window}}]))',
            "sum(last_over_time(http_requests_total[{{.window}}]))",
            r"sloth.yml:10: slos.0.sli.events: \{\{.window\}\} may stand only in rate",
        ),
        (
            "raw:\n        error_ratio_query: avg_over_time(wifi_errors:ratio[{{.window}}])",
            "plugin: {id: sloth-common/x}",
            r"sloth.yml:\d+: slos.2.sli: the plug-in 'sloth-common/x' is Go",
        ),
    ],
)
def test_a_fault_names_file_line_and_field(spec: Path, old: str, new: str, fault: str) -> None:
    assert old in SPEC
    spec.write_text(SPEC.replace(old, new))
    with pytest.raises(SpecError, match=fault):
        import_sloth(spec)
