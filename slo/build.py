"""Everything that is generated, as texts by path, and the writing and checking of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slo.alertmanager import alertmanager_config
from slo.analytics import sql
from slo.grafana import grafana_contact_points, grafana_policies, grafana_rules
from slo.loading import load_promises
from slo.model import Promise
from slo.notice_tests import notice_rule_test
from slo.policy import Policy, load_policy
from slo.prometheus import promise_group, service_group
from slo.rule_tests import rule_test, service_rule_test
from slo.rules import rule_file
from slo.settings import Settings, load_settings

ROOT: Final = Path(__file__).parent
GENERATED: Final = ROOT / "generated"
TESTS: Final = ROOT.parent / "tests" / "rules" / "generated"
_SQL_HEADER: Final = (
    "-- Made by `lumigate slo build` from slo/specs. Do not edit: `lumigate slo check` fails on drift.\n"
    "-- {title}: bad and total by window in seconds, weighted for sampling.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What is generated from. `load` raises SpecError."""

    promises: tuple[Promise, ...]
    settings: Settings
    policy: Policy

    @classmethod
    def load(cls, root: Path = ROOT, specs: Path | None = None) -> Sources:
        return cls(
            promises=tuple(load_promises(specs or root / "specs")),
            settings=load_settings(root / "settings.yaml"),
            policy=load_policy(root / "policy.yaml"),
        )


def generate(sources: Sources) -> dict[str, str]:
    """Every generated file but the tests, by its path below `generated/`."""
    settings, policy = sources.settings, sources.policy
    files: dict[str, str] = {}
    for folder, temporality in (("prometheus", "cumulative"), ("prometheus-delta", "delta")):
        chosen = settings.model_copy(update={"temporality": temporality})
        for promise in sources.promises:
            files[f"{folder}/{promise.name}.rules.yaml"] = rule_file([promise_group(promise, chosen)])
        files[f"{folder}/service.rules.yaml"] = rule_file([service_group(chosen, policy)])
    groups = [
        *(promise_group(promise, settings) for promise in sources.promises),
        service_group(settings, policy),
    ]
    files["alertmanager/alertmanager.yaml"] = alertmanager_config(settings, policy)
    files["grafana/rules.yaml"] = grafana_rules(groups, settings)
    files["grafana/contact-points.yaml"] = grafana_contact_points(settings)
    files["grafana/policies.yaml"] = grafana_policies(
        settings, (promise.service for promise in sources.promises)
    )
    for promise in sources.promises:
        if (text := sql(promise, settings.analytics_engine_dataset)) is not None:
            files[f"analytics-engine/{promise.name}.sql"] = _SQL_HEADER.format(title=promise.title) + text
    return files


def generate_tests(sources: Sources, to_rules: str) -> dict[str, str]:
    """promtool's test files, by name; `to_rules` is the way from them to the rules."""
    settings = sources.settings
    files: dict[str, str] = {}
    for promise in sources.promises:
        text = rule_test(promise, settings, f"{to_rules}/{promise.name}.rules.yaml")
        if text is not None:
            files[f"{promise.name}.test.yaml"] = text
    tested = [p for p in sources.promises if f"{p.name}.test.yaml" in files]
    if tested:
        rules = [f"{to_rules}/{name}.rules.yaml" for name in (tested[0].name, "service")]
        files["service.test.yaml"] = service_rule_test(tested[0], settings, sources.policy, rules)
    files["notices.test.yaml"] = notice_rule_test(settings, f"{to_rules}/service.rules.yaml")
    return files


def write(folder: Path, files: Mapping[str, str], *, own: bool = False) -> list[str]:
    """Write files below a folder. One that is our `own` loses what is no longer generated. Returns what changed."""
    changed = [name for name in drift(folder, files) if own or name in files]
    for name in changed:
        path = folder / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name], encoding="utf-8")
        else:
            path.unlink()
    return changed


def drift(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Paths below the folder whose content is not what is generated: changed, missing or left over."""
    there = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    changed = [name for name, text in files.items() if name not in there or there[name].read_text() != text]
    return sorted([*changed, *(name for name in there if name not in files)])
