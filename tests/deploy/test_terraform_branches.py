"""Whatever is chosen in the variables, Terraform can tell how many of each resource there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.deploy.test_terraform import RESOURCES, evaluate

COUNTS = {
    name: str(body[meta]).removeprefix("${").removesuffix("}")
    for name, body in RESOURCES.items()
    for meta in ("count", "for_each")
    if meta in body
}
SWITCHED = {
    "cloudflare_logpush_job.wide_events",
    "cloudflare_r2_bucket.logs",
    "cloudflare_r2_bucket_lifecycle.logs",
    "cloudflare_ruleset.rate_limit",
    "cloudflare_ruleset.waf",
    "grafana_contact_point.receiver",
    "grafana_data_source.analytics_engine",
    "grafana_notification_policy.tree",
    "grafana_rule_group.slo",
}
"""Not there unless asked for."""


@pytest.mark.parametrize("wanted", [True, False], ids=["everything", "the least"])
def test_what_decides_how_many_there_are_has_a_value(wanted: bool, names: Path) -> None:
    """Branches of different types are an error that no other test sees before a plan does."""
    choices: dict[str, Any] = {
        "manage_alerting": wanted,
        "own_notification_policies": wanted,
        "analytics_engine_token": "token" if wanted else "",
        "zone_id": "0" * 32 if wanted else "",
        "hostname": "gateway.example.com" if wanted else "",
        "logpush_sink": "r2" if wanted else "none",
        "logpush_r2_access_key_id": "id",
        "logpush_r2_secret_access_key": "secret",
    }
    made = evaluate(f"[{', '.join(COUNTS.values())}]", names, **choices)
    many = dict(zip(COUNTS, made, strict=True))
    assert {name for name in SWITCHED if many[name]} == (SWITCHED if wanted else set())
