"""No setting that the code reads takes nonsense in silence: the doctor names each, whatever kind of value it wants."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.doctor import code_reads
from local.doctor.environments import read_environments
from local.doctor.finding import Level
from local.doctor.settings_check import check_settings
from tests.local.doctor.checkout import staging

FREE_TEXT = {
    "CACHE_SAFE_TOOLS",
    "ENVIRONMENT",
    "JWT_AUDIENCE",
    "JWT_AUTHORIZED_PARTIES",
    "JWT_ISSUER",
    "JWT_REGION_CLAIM",
    "JWT_SCOPE_CLAIM",
    "JWT_TENANT_CLAIM",
    "JWT_TYPES",
    "OTEL_SERVICE_NAME",
}
"""Names that others give: an issuer, a claim, a tool may be called anything."""
DESTINATION = 'OTEL_EXPORTER_OTLP_ENDPOINT = "https://collector.test"'
"""How something is sent is read, and judged, where there is somewhere to send it."""


@pytest.mark.parametrize("nonsense", ["{no such", "-1"])
@pytest.mark.parametrize("name", sorted(code_reads.settings() - FREE_TEXT))
def test_nonsense_in_any_setting_is_named(name: str, nonsense: str, root: Path) -> None:
    lines = [f'{name} = "{nonsense}"']
    if name != "OTEL_EXPORTER_OTLP_ENDPOINT":
        lines.append(DESTINATION)
    found = check_settings(staging(root, *lines), {}, read_environments(root)[0])
    named = [each for each in found if each.level is Level.ERROR and name in each.what]
    assert named
    assert all(each.next_step for each in named)


def test_free_text_is_what_it_was_said_to_be() -> None:
    assert code_reads.settings() >= FREE_TEXT
