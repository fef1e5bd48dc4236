"""A setting may be bound to the Secrets Store: it counts as present, and what is wrong with the reference is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local.doctor.bindings_check import check_bindings
from local.doctor.environments import Environment, read_environments
from local.doctor.finding import Finding, Level
from local.doctor.secrets_check import check_secrets
from local.doctor.settings_check import check_settings
from local.doctor.stored_secrets import Wrangler, check_references
from tests.local.doctor.checkout import change, environment

STORE = "0123456789abcdef0123456789abcdef"
LISTED = """
🔐 Listing secrets... (store-id: 0123456789abcdef0123456789abcdef, page: 1, per-page: 100)
┌───────────────────────────────────┬──────────────────────────────────┬─────────┬─────────────────────┬─────────┐
│ Name                              │ ID                               │ Comment │ Scopes              │ Status  │
├───────────────────────────────────┼──────────────────────────────────┼─────────┼─────────────────────┼─────────┤
│ lumigate_production_OPENAI_API_KEY │ 6c76a4b016cd4691b1bcac54bb251b86 │         │ ai_gateway, workers │ active  │
├───────────────────────────────────┼──────────────────────────────────┼─────────┼─────────────────────┼─────────┤
│ lumigate_production_METRICS_TOKEN │ 7c76a4b016cd4691b1bcac54bb251b86 │         │ ai_gateway          │ active  │
└───────────────────────────────────┴──────────────────────────────────┴─────────┴─────────────────────┴─────────┘
"""
"""As wrangler 4 prints it."""


def referring(
    root: Path, name: str, *bindings: str, where: str = "production", **members: str
) -> Environment:
    """An environment with references for these settings, each called as Terraform does unless `members` differ."""

    def mutate(document: dict[str, Any]) -> None:
        table = document if name == "development" else document["env"][where]
        table["secrets_store_secrets"] = [
            {"binding": binding, "store_id": STORE, "secret_name": f"lumigate_{name}_{binding}"} | members
            for binding in bindings
        ]

    change(root, mutate)
    return environment(root, name)


def lists(code: int, out: str, err: str = "") -> tuple[Wrangler, list[list[str]]]:
    asked: list[list[str]] = []

    def wrangler(arguments: list[str]) -> tuple[int, str, str]:
        asked.append(arguments)
        return code, out, err

    return wrangler, asked


def faults(found: list[Finding]) -> list[Finding]:
    return [each for each in found if each.level is not Level.OK]


def test_a_reference_counts_as_a_secret_that_is_there(root: Path) -> None:
    chosen = referring(root, "production", "OPENAI_API_KEY")
    assert faults(list(check_secrets(chosen, {}))) == []
    assert faults(list(check_references(chosen, {}, None))) == []
    assert not [each for each in check_bindings(chosen, root) if "OPENAI_API_KEY" in each.what]


def test_keys_of_callers_may_be_in_the_store(root: Path) -> None:
    """Then no issuer is needed, and nobody is told to make sure of it."""

    def without_issuer(document: dict[str, Any]) -> None:
        for name in ("JWT_ISSUER", "JWT_AUDIENCE", "JWKS_URL"):
            del document["env"]["production"]["vars"][name]

    change(root, without_issuer)
    top = read_environments(root)[0]
    told = list(check_settings(environment(root, "production"), None, top))
    assert [each for each in told if "API_KEYS" in each.what]
    chosen = referring(root, "production", "API_KEYS")
    told = list(check_settings(chosen, None, top))
    assert [each for each in told if "API_KEYS" in each.what or each.level is Level.ERROR] == []


def test_a_reference_that_nothing_reads_is_named(root: Path) -> None:
    (finding,) = check_references(referring(root, "production", "OPENAI_APIKEY"), {}, None)
    assert finding.level is Level.ERROR
    assert finding.what == "OPENAI_APIKEY is bound to the Secrets Store, and nothing reads it"
    assert finding.next_step == "Did you mean OPENAI_API_KEY?"


@pytest.mark.parametrize(
    ("binding", "name", "words"),
    [("OTEL_EXPORTER_OTLP_HEADERS", "tail", ""), ("OPENAI_API_KEY", "tail", "nothing reads it")],
)
def test_the_tail_worker_reads_telemetrys_settings_alone(
    root: Path, binding: str, name: str, words: str
) -> None:
    told = list(check_references(referring(root, name, binding, where=name), {}, None))
    assert [words in each.what for each in told] == ([True] if words else [])


def test_a_var_or_a_secret_of_the_same_name_is_one_too_many(root: Path) -> None:
    chosen = referring(root, "production", "JWT_AUDIENCE", "METRICS_TOKEN")
    var, secret = check_references(chosen, {"METRICS_TOKEN": None}, None)
    assert var.what.startswith("JWT_AUDIENCE is a var and bound to the Secrets Store at once")
    assert secret.what.startswith("METRICS_TOKEN is a secret of the Worker and bound")
    assert secret.next_step.endswith("npx wrangler secret delete METRICS_TOKEN --env production")
    (local,) = check_references(referring(root, "development", "METRICS_TOKEN"), {"METRICS_TOKEN": "x"}, None)
    assert ".dev.vars" in local.next_step


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"store_id": "STORE_ID"}, "store_id is not 32 hexadecimal digits"),
        ({"store_id": ""}, "store_id"),
        ({"secret_name": "my key"}, "secret_name is not made of"),
    ],
)
def test_a_malformed_reference_is_named_and_not_asked_for(
    root: Path, members: dict[str, str], words: str
) -> None:
    wrangler, asked = lists(0, LISTED)
    (finding,) = check_references(referring(root, "production", "OPENAI_API_KEY", **members), {}, wrangler)
    assert finding.level is Level.ERROR
    assert words in finding.what
    assert asked == []


def test_the_store_is_asked_by_name_for_what_it_has_and_for_whom(root: Path) -> None:
    wrangler, asked = lists(0, LISTED)
    chosen = referring(root, "production", "OPENAI_API_KEY", "METRICS_TOKEN", "SEALING_KEYS")
    scope, missing = check_references(chosen, {}, wrangler)
    assert asked == [["secrets-store", "secret", "list", STORE, "--per-page", "100", "--remote"]]
    assert scope.what == "METRICS_TOKEN: the secret lumigate_production_METRICS_TOKEN is not for Workers"
    assert (
        missing.what
        == "SEALING_KEYS: the Secrets Store has no secret called lumigate_production_SEALING_KEYS"
    )
    assert missing.next_step == (
        f"npx wrangler secrets-store secret create {STORE} --name lumigate_production_SEALING_KEYS"
        " --scopes workers --remote"
    )


def test_an_empty_store_has_none_and_one_that_cannot_be_listed_is_said(root: Path) -> None:
    chosen = referring(root, "production", "OPENAI_API_KEY")
    empty, _ = lists(1, "", "✘ [ERROR] List request returned no secrets.")
    (finding,) = check_references(chosen, {}, empty)
    assert (finding.level, "has no secret called" in finding.what) == (Level.ERROR, True)
    closed, _ = lists(1, "", "✘ [ERROR] You are not authenticated.")
    (finding,) = check_references(chosen, {}, closed)
    assert finding.level is Level.SKIPPED
    assert "OPENAI_API_KEY cannot be told: You are not authenticated." in finding.what


def test_development_has_a_store_of_this_machine(root: Path) -> None:
    wrangler, asked = lists(0, LISTED.replace("production", "development").replace("workers", "       "))
    assert list(check_references(referring(root, "development", "OPENAI_API_KEY"), {}, wrangler)) == []
    assert "--remote" not in asked[0]


def test_the_command_tells_it_with_the_rest(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from local.cli import main

    referring(root, "production", "OPENAI_APIKEY")
    assert main(["doctor", "--offline", "--root", str(root), "--env", "production", "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    errors = [each for each in findings if each["level"] == "error"]
    assert [each["what"].split()[0] for each in errors] == ["OPENAI_APIKEY"]
    assert errors[0]["check"] == "secrets"
