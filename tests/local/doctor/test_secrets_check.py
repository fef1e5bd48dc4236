"""Secrets are looked for by name, where wrangler or `.dev.vars` can tell; values are asked of nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.cli import main
from local.doctor.finding import Finding, Level
from local.doctor.secrets_check import check_secrets, list_secrets
from tests.local.doctor.checkout import change, environment, staging

LISTED = json.dumps([{"name": "OPENAI_API_KEY", "type": "secret_text"}], indent=2)
"""As wrangler 4 prints it."""


def faults(found: list[Finding]) -> list[Finding]:
    return [each for each in found if each.level is not Level.OK]


def test_names_come_from_wrangler_for_the_environment_asked(root: Path) -> None:
    asked: list[list[str]] = []

    def wrangler(arguments: list[str]) -> tuple[int, str, str]:
        asked.append(arguments)
        return 0, LISTED, ""

    assert list_secrets(environment(root, "staging"), wrangler) == ({"OPENAI_API_KEY": None}, "")
    assert asked == [["secret", "list", "--format", "json", "--env", "staging"]]


def test_why_they_cannot_be_listed_is_said_in_a_line(root: Path) -> None:
    chosen = environment(root, "staging")
    mark = "\x1b[31m✘ \x1b[41;31m[\x1b[41;97mERROR\x1b[41;31m]\x1b[0m"  # as wrangler colours it
    said = f"\n{mark} \x1b[1mYou are not logged in.\x1b[0m\n\n  more\n"
    for answer, words in (
        ((1, "", said), "You are not logged in."),
        ((1, "", ""), "without a word"),
        ((0, "⛅️ wrangler", ""), "did not answer with a list"),
        ((0, "[1]", ""), "did not answer with a list"),
    ):
        names, why = list_secrets(chosen, lambda _, answer=answer: answer)  # type: ignore[misc]
        assert names is None
        assert words in why
        assert "\x1b" not in why
    (finding,) = check_secrets(chosen, None, "no login")
    assert finding.level is Level.SKIPPED
    assert "no login" in finding.what
    assert "wrangler login" in finding.next_step


def test_offline_it_is_not_said_that_something_is_to_be_installed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["doctor", "--offline", "--json", "--env", "staging", "--root", str(root)]
    main(run)
    (finding,) = [
        each for each in json.loads(capsys.readouterr().out)["findings"] if each["check"] == "secrets"
    ]
    assert finding["what"].endswith("--offline")
    assert finding["next"] == "Leave --offline out to have them looked at."


def test_all_that_is_needed_is_there(root: Path) -> None:
    assert faults(list(check_secrets(environment(root, "production"), {"OPENAI_API_KEY": None}))) == []


def test_a_provider_in_the_routing_table_wants_its_key(root: Path) -> None:
    (finding,) = check_secrets(environment(root, "production"), {})
    assert finding.what == "MODELS routes to openai, and there is no OPENAI_API_KEY"
    assert finding.next_step == "npx wrangler secret put OPENAI_API_KEY --env production"


def test_a_gateway_token_stands_for_the_keys(root: Path) -> None:
    assert faults(list(check_secrets(environment(root, "production"), {"AI_GATEWAY_TOKEN": None}))) == []


def test_a_secret_that_nothing_reads_is_named(root: Path) -> None:
    found = faults(
        list(check_secrets(environment(root, "production"), {"OPENAI_API_KEY": None, "OPENAI_KEY": None}))
    )
    (finding,) = found
    assert "OPENAI_KEY is set in the deployment, and nothing reads it" in finding.what
    assert "OPENAI_API_KEY" in finding.next_step


def test_a_misspelt_line_of_dev_vars_is_named_with_the_file(root: Path) -> None:
    (finding,) = check_secrets(environment(root, "development"), {"OPENAI_API_KEYS": "sk-hidden"})
    assert ".dev.vars" in finding.what
    assert "sk-hidden" not in str(finding)


def test_a_var_that_is_a_secret_too_is_named(root: Path) -> None:
    chosen = staging(root, 'METRICS_TOKEN = "x"')
    found = faults(list(check_secrets(chosen, {"OPENAI_API_KEY": None, "METRICS_TOKEN": None})))
    assert any("a var of wrangler.toml and a secret at once" in each.what for each in found)


def test_headers_without_an_endpoint_are_named(root: Path) -> None:
    secrets: dict[str, str | None] = {"OPENAI_API_KEY": None, "OTEL_EXPORTER_OTLP_HEADERS": None}
    (finding,) = faults(list(check_secrets(environment(root, "staging"), secrets)))
    assert "no OTEL_EXPORTER_OTLP_ENDPOINT" in finding.what
    chosen = staging(root, 'OTEL_EXPORTER_OTLP_ENDPOINT = "https://otlp.lumigate.test"')
    assert faults(list(check_secrets(chosen, secrets))) == []


def test_workers_ai_needs_no_key_where_it_is_bound(root: Path) -> None:
    change(root, lambda document: document["env"]["staging"].pop("ai", None))
    change(
        root,
        lambda document: document["env"]["staging"]["vars"]["MODELS"]["gpt-4o"].update(provider="workers_ai"),
    )
    wanted = [each.what for each in check_secrets(environment(root, "staging"), {"OPENAI_API_KEY": None})]
    assert any("WORKERS_AI_API_KEY" in what for what in wanted)
    change(root, lambda document: document["env"]["staging"].update(ai={"binding": "AI"}))
    assert faults(list(check_secrets(environment(root, "staging"), {"OPENAI_API_KEY": None}))) == []
