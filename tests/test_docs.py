"""What the documents say is so: every setting that is read is described, every command that is shown exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import cli
from lumigate import config, metrics_settings
from lumigate.auth import settings as auth_settings
from lumigate.cache import settings as cache_settings
from lumigate.http import settings as http_settings
from lumigate.sessions import settings as sessions

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_VARIABLE = re.compile(r'"((?:OTEL|LUMIGATE)_[A-Z_]+[A-Z])"')
_PREFIXES = {"OTEL_BSP", "OTEL_BLRP", "OTEL_EXPORTER_OTLP", "LUMIGATE_TELEMETRY_METRICS"}
"""Taken together with a suffix where they are read; the table describes the whole names."""


def settings_read() -> Iterator[str]:
    yield from config._Environment.model_fields
    yield from metrics_settings._Environment.model_fields
    yield from auth_settings._Environment.model_fields
    yield from cache_settings._Environment.model_fields
    yield from http_settings._Environment.model_fields
    yield from sessions._Environment.model_fields
    for provider in config.PROVIDER_BASE_URLS:
        yield from (f"{provider.upper()}_API_KEY", f"{provider.upper()}_BASE_URL")
    for path in (ROOT / "src/lumigate/telemetry").rglob("*.py"):
        yield from set(_VARIABLE.findall(path.read_text("utf-8"))) - _PREFIXES


def test_every_setting_that_is_read_is_described() -> None:
    text = (ROOT / "docs/settings.md").read_text("utf-8")
    assert sorted(name for name in set(settings_read()) if f"`{name}`" not in text) == []


def commands_shown() -> list[str]:
    shown: set[str] = set()
    for document in DOCUMENTS:
        for block in re.findall(r"```sh\n(.*?)```", document.read_text("utf-8"), re.DOTALL):
            shown |= {
                line.partition("#")[0].strip() for line in block.splitlines() if "uv run lumigate" in line
            }
    return sorted(shown)


@pytest.mark.parametrize("command", commands_shown())
def test_every_command_that_is_shown_is_understood(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name and options, that is; what it does is tested where it lives."""
    words = command.removeprefix("uv run lumigate").split()
    assert cli.main([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in words if word.startswith("--"))


def links() -> list[tuple[str, str]]:
    found = []
    for document in DOCUMENTS:
        targets = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text("utf-8"))
        found += [
            (document.relative_to(ROOT).as_posix(), target) for target in targets if "://" not in target
        ]
    return found


@pytest.mark.parametrize(("document", "target"), links())
def test_every_link_inside_the_repository_leads_somewhere(document: str, target: str) -> None:
    assert ((ROOT / document).parent / target).exists()
