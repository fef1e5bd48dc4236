"""The specs: read, checked against the catalog, and refused with file, line and field."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo.durations import DAY
from slo.loading import load_promises
from slo.model import Counted, RawRatio
from slo.policy import load_policy
from slo.settings import load_settings
from slo.yaml_lines import SpecError
from tests.slo.examples import SPECS

SPEC = """\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: example
spec:
  description: An example.
  service: lumigate
  indicator:
    metadata: {name: example}
    spec:
      ratioMetric:
        counter: true
        bad:
          metricSource:
            type: LumigateCatalog
            spec:
              metric: lumigate.request.outcomes
              where: {lumigate.outcome: error}
        total:
          metricSource:
            type: LumigateCatalog
            spec:
              metric: lumigate.request.outcomes
  timeWindow:
    - duration: 30d
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - target: 0.999
"""


def faults(folder: Path, text: str, file: str = "example.yaml") -> list[str]:
    (folder / file).write_text(text)
    with pytest.raises(SpecError) as raised:
        load_promises(folder)
    return [fault.removeprefix(f"{folder.name}/") for fault in raised.value.faults]


def test_the_promises_of_this_service_are_those_that_were_made() -> None:
    made = {p.name: (p.percent, p.period / DAY) for p in load_promises(SPECS)}
    assert made == {
        "availability": ("99.9%", 30),
        "gateway-overhead-p95": ("95%", 30),
        "gateway-overhead-p99": ("99%", 30),
        "time-to-first-chunk": ("95%", 30),
        "token-checks": ("99%", 30),
        "cache-hits": ("90%", 30),
        "l1-hits": ("99%", 30),
        "provider-choice": ("99%", 30),
        "personal-data-checks": ("99%", 30),
        "llm-errors": ("99%", 30),
        "request-cost": ("95%", 30),
        "response-path": ("99.9%", 30),
        "telemetry-delivered": ("99.9%", 30),
        "deploys": ("98%", 30),
    }
    thresholds = {
        promise.name: selection.at_most
        for promise in load_promises(SPECS)
        for selection in promise.selections()
        if selection.at_most is not None
    }
    assert thresholds == {
        "gateway-overhead-p95": 0.1,
        "gateway-overhead-p99": 0.2,
        "time-to-first-chunk": 2.56,
        "token-checks": 0.01,
        "l1-hits": 0.005,
        "provider-choice": 0.01,
        "personal-data-checks": 0.05,
        "request-cost": 0.05,
        "response-path": 0.005,
    }


def test_a_spec_is_read(tmp_path: Path) -> None:
    (tmp_path / "example.yaml").write_text(SPEC)
    (promise,) = load_promises(tmp_path)
    assert promise.target == Decimal("0.999")
    assert promise.policy == "page-and-ticket"
    assert isinstance(promise.indicator, Counted)
    assert promise.indicator.numerator == "bad"


def changed(old: str, new: str) -> str:
    assert old in SPEC
    return SPEC.replace(old, new)


BAD = "spec.indicator.spec.ratioMetric.bad"
FILTER = "where: {lumigate.outcome: error}"
FAULTS = [
    (
        f"outcomes\n              {FILTER}",
        f"outcome\n              {FILTER}",
        17,
        f"{BAD}.metricSource.spec.metric",
        "the catalog has no metric 'lumigate.request.outcome'; the nearest is lumigate.request.outcomes",
    ),
    (
        FILTER,
        "where: {lumigate.outcome: oops}",
        18,
        f"{BAD}.metricSource.spec.where.lumigate.outcome",
        "lumigate.outcome is never 'oops'; "
        "it is one of client_abort, complete, error, refused, truncated, upstream_error",
    ),
    (
        FILTER,
        "where: {lumigate.result: error}",
        18,
        f"{BAD}.metricSource.spec.where.lumigate.result",
        "lumigate.request.outcomes has no attribute 'lumigate.result'",
    ),
    (FILTER, "where: {}", 13, BAD, "no event can be good: the two filters leave none"),
    (
        FILTER,
        "where: {lumigate.outcome: {nott: error}}",
        18,
        f"{BAD}.metricSource.spec.where.lumigate.outcome",
        "input should be a valid string, or input should be a valid integer, or input should be a valid number, "
        "or input should be a valid list",
    ),
    (
        "duration: 30d",
        "duration: 12h",
        25,
        "spec.timeWindow.0.duration",
        "a period of less than 1d has windows that are shorter than the steps of a minute they are counted in",
    ),
    (
        "  name: example\nspec",
        "  name: example\n  labels: {__name__: x}\nspec",
        5,
        "metadata.labels.__name__",
        "no label can have this name",
    ),
    ("target: 0.999", "target: 99.9", 29, "spec.objectives.0.target", "input should be less than 1"),
    (
        "target: 0.999",
        "displayName: None",
        29,
        "spec.objectives.0",
        "an objective has target or targetPercent, and not both",
    ),
    (
        "target: 0.999",
        "target: 0.3",
        29,
        "spec.objectives.0",
        "with a budget of 0.7 even a full outage is too slow for a page",
    ),
    (
        "duration: 30d",
        "duration: 1M",
        25,
        "spec.timeWindow.0.duration",
        "'1M' is not a duration such as 30d, 4w or 48h",
    ),
    ("isRolling: true", "isRolling: false", 26, "spec.timeWindow.0.isRolling", "input should be True"),
    (
        "name: example\nspec",
        "name: Example\nspec",
        4,
        "metadata.name",
        "'Example' is not a name: at most 63 of a-z, 0-9 and -, as in RFC 1123",
    ),
    (
        "  service: lumigate",
        "  service: lumigate\n  sevice: x",
        8,
        "spec.sevice",
        "there is no such field here",
    ),
    (
        "budgetingMethod: Occurrences",
        "budgetingMethod: Timeslices",
        27,
        "spec.budgetingMethod",
        "input should be 'Occurrences'",
    ),
    ("  budgetingMethod: Occurrences\n", "", 5, "spec.budgetingMethod", "field required"),
    (
        "  objectives:",
        "  alertPolicies:\n    - alertPolicyRef: shout\n  objectives:",
        29,
        "spec.alertPolicies.0.alertPolicyRef",
        "'shout' is none of the alert policies: page-and-ticket, page-only, ticket-only, no-alerts",
    ),
    (
        "counter: true",
        "counter: false",
        11,
        "spec.indicator.spec.ratioMetric",
        "counter: false has no increases to add up; use raw",
    ),
    (
        "type: LumigateCatalog\n            spec:\n              metric: lumigate.request.outcomes\n  timeWindow",
        "type: Datadog\n            spec: {}\n  timeWindow",
        20,
        "spec.indicator.spec.ratioMetric.total.metricSource",
        "input tag 'Datadog' found using 'type' does not match any of the expected tags: "
        "'LumigateCatalog', 'Prometheus'",
    ),
    ("kind: SLO", "kind: AlertPolicy", 2, "kind", "'AlertPolicy' is not read here; SLO and SLI are"),
]


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "message"),
    FAULTS,
    ids=[f"{each[3]}-{n}" for n, each in enumerate(FAULTS)],
)
def test_a_fault_names_file_line_and_field(
    tmp_path: Path, old: str, new: str, line: int, field: str, message: str
) -> None:
    assert faults(tmp_path, changed(old, new))[0] == f"example.yaml:{line}: {field}: {message}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("apiVersion: openslo/v1\nkind: SLO\nkind: SLO\n", "3: the key 'kind' stands here twice"),
        ("? [a, b]\n: c\n", "1: a key is to be a name"),
        ("a: [\n", "2: not YAML: expected the node content, but found '<stream end>'"),
        ("hello: world\n", "1: not an openslo/v1 document"),
    ],
)
def test_what_is_no_spec_is_refused_with_its_line(tmp_path: Path, text: str, fault: str) -> None:
    assert faults(tmp_path, text)[0] == f"example.yaml:{fault}"


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "another.yaml").write_text(changed("target: 0.999", "target: 2"))
    found = faults(tmp_path, changed("duration: 30d", "duration: 1Q").replace("Occurrences", "Guesses"))
    assert [fault.split(":")[0] for fault in found] == ["another.yaml", "example.yaml", "example.yaml"]


def test_two_promises_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SPEC)
    assert "is promised in" in faults(tmp_path, SPEC)[0]


def test_an_indicator_may_stand_alone_and_other_kinds_carry_nothing(tmp_path: Path) -> None:
    content: dict[str, Any] = yaml.safe_load(SPEC)
    indicator = content["spec"].pop("indicator")
    content["spec"]["indicatorRef"] = "shared"
    sli = {
        "apiVersion": "openslo/v1",
        "kind": "SLI",
        "metadata": {"name": "shared"},
        "spec": indicator["spec"],
    }
    service = {"apiVersion": "openslo/v1", "kind": "Service", "metadata": {"name": "lumigate"}, "spec": {}}
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([content, sli, service]))
    assert [promise.name for promise in load_promises(tmp_path)] == ["example"]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([content]))
    with pytest.raises(SpecError, match="there is no SLI named 'shared'"):
        load_promises(tmp_path)


def test_labels_go_to_the_rules_and_cannot_say_what_a_rule_is_of(tmp_path: Path) -> None:
    labels = (
        "metadata:\n  labels: {cost.centre: a, tags: [x, y], slo: other, severity: none}\n  name: example\n"
    )
    (tmp_path / "example.yaml").write_text(SPEC.replace("metadata:\n  name: example\n", labels))
    (promise,) = load_promises(tmp_path)
    assert promise.labels == {"cost_centre": "a", "tags": "x,y"}


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "a: " + 5_000 * "[" + 5_000 * "]"])
def test_a_file_that_contains_itself_is_refused(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path, text) == ["example.yaml: nested too deeply, or within itself"]


def test_a_ratio_may_be_raw(tmp_path: Path) -> None:
    content = yaml.safe_load(SPEC)
    source = {"metricSource": {"type": "Prometheus", "spec": {"query": "avg(errors:ratio{w='{{.window}}'})"}}}
    content["spec"]["indicator"]["spec"]["ratioMetric"] = {"rawType": "failure", "raw": source}
    (tmp_path / "raw.yaml").write_text(yaml.safe_dump(content))
    (promise,) = load_promises(tmp_path)
    assert isinstance(promise.indicator, RawRatio)
    assert promise.minimum_bad_events(60) == 0


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ("{colour: red}", "the data point has no column 'colour'"),
        ("{outcome: {atMost: 3}}", "outcome is text and has no bound"),
        ("{status: high}", "status is a number, and compared with text"),
        ("{status * 2: 1}", "neither a column nor a difference of two"),
    ],
)
def test_a_column_that_the_data_point_lacks_is_refused(tmp_path: Path, points: str, message: str) -> None:
    text = SPEC.replace(
        "              metric: lumigate.request.outcomes\n",
        f"              metric: lumigate.request.outcomes\n              points: {points}\n",
    )
    assert message in faults(tmp_path, text)[0]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("stages: []\ngate: {minimum_coverage: 0.9}\n", "policy.yaml:1: stages: "),
        (
            "stages: [{spent: 1, name: All, releases: shut, severity: ticket, action: x}]\n",
            "policy.yaml:1: stages.0.releases: ",
        ),
    ],
)
def test_a_policy_that_is_wrong_says_where(tmp_path: Path, content: str, fault: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(content)
    with pytest.raises(SpecError) as raised:
        load_policy(path)
    assert raised.value.faults[0].startswith(fault)


def test_settings_that_are_wrong_say_where(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    good = (SPECS.parent / "settings.yaml").read_text()
    path.write_text(good.replace("page: https://pager", "page: pager"))
    with pytest.raises(SpecError, match=r"settings.yaml:\d+: receivers.page: .*is not an http URL"):
        load_settings(path)
    path.write_text(good.replace("heartbeat: lumigate.heartbeat", "heartbeat: lumigate.pulse"))
    with pytest.raises(SpecError, match=r"the catalog has no metric 'lumigate\.pulse'"):
        load_settings(path)
    path.write_text(good.replace("settle_seconds: 8", "settle_seconds: 60"))
    with pytest.raises(SpecError, match="settle_seconds: 60 is not shorter than a step of 60 s"):
        load_settings(path)
