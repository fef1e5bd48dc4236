"""Promises and settings for tests: a made-up service, with the real catalog."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from lumigate import catalog
from slo.build import ROOT
from slo.durations import DAY
from slo.model import CatalogEvents, Condition, Counted, Promise, RawEvents, Selection
from slo.policy import Policy, load_policy
from slo.prometheus import promise_group
from slo.rules import Group
from slo.settings import Settings, load_settings

SERIES = "lumigate_request_outcomes_total"
BEATS = "lumigate_heartbeat_total"


def settings(**changes: Any) -> Settings:
    loaded = load_settings(ROOT / "settings.yaml")
    return Settings.model_validate({**loaded.model_dump(), **changes})


def policy() -> Policy:
    return load_policy(ROOT / "policy.yaml")


def outcomes(*values: str, negated: bool = False) -> CatalogEvents:
    where = (Condition(key="lumigate.outcome", values=values, negated=negated),) if values else ()
    return CatalogEvents(selections=(Selection(metric=catalog.OUTCOMES, where=where),))


def promise(**changes: Any) -> Promise:
    """99.9 % of requests do not end in an error, over 30 days."""
    fields: dict[str, Any] = {
        "name": "example",
        "title": "Example",
        "description": "Requests do not end in an error",
        "service": "lumigate",
        "period": 30 * DAY,
        "target": Decimal("0.999"),
        "indicator": Counted(numerator="bad", part=outcomes("error"), total=outcomes()),
    }
    return Promise(**{**fields, **changes})


def raw_promise(name: str, **changes: Any) -> Promise:
    """Counts two series named after the promise, as a spec with queries would."""
    indicator = Counted(
        numerator="bad",
        part=RawEvents(query=f'sum(rate(events_total{{of="{name}",result="bad"}}[{{{{.window}}}}]))'),
        total=RawEvents(query=f'sum(rate(events_total{{of="{name}"}}[{{{{.window}}}}]))'),
    )
    return promise(name=name, indicator=indicator, **changes)


def group(one: Promise, **changes: Any) -> Group:
    return promise_group(one, settings(**changes))


SPECS: Path = ROOT / "specs"
