"""The committed rules, as promtool sees them: every alert in the burn it is for, and in what it must sleep through."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from slo.build import GENERATED, TESTS, Sources
from slo.prometheus import promise_group, service_group
from tests.slo.promtool import promtool, run

RULES = sorted(GENERATED.glob("prometheus*/*.rules.yaml"))
SCENARIOS = (
    "a full outage",
    "a slow burn",
    "low traffic",
    "idle: no traffic",
    "idle after traffic",
    "a brief spike",
    "counters reset",
    "a deploy",
    "a shard is evicted",
)


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    output = run(promtool(), "check", "rules", *RULES)
    assert output.count("SUCCESS") == len(RULES) > 20


def test_every_alert_fires_in_the_burn_it_is_for_and_sleeps_through_the_rest() -> None:
    """Two at a time: promtool uses one processor."""
    program = promtool()
    files = sorted(TESTS.glob("*.test.yaml"))
    assert files
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda file: run(program, "test", "rules", file), files))


@pytest.mark.parametrize("promise", Sources.load().promises, ids=lambda promise: promise.name)
def test_no_promise_lacks_a_scenario(promise: object) -> None:
    name = getattr(promise, "name", "")
    names = [test["name"] for test in yaml.safe_load((TESTS / f"{name}.test.yaml").read_text())["tests"]]
    for scenario in SCENARIOS:
        assert any(scenario in each for each in names), scenario


def test_every_alert_is_in_a_test() -> None:
    sources = Sources.load()
    groups = [promise_group(p, sources.settings) for p in sources.promises]
    groups.append(service_group(sources.settings, sources.policy))
    tested = "".join(path.read_text() for path in TESTS.glob("*.test.yaml"))
    alerts = {alert.alert for group in groups for alert in group.alerts}
    assert len(alerts) > 25
    assert {alert for alert in alerts if f'alertname="{alert}"' not in tested} == set()
