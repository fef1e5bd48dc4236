"""Every kind of mistake in the settings is made, and the doctor names it and says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from local.doctor import code_reads
from local.doctor.environments import Environment, read_environments
from local.doctor.finding import Finding, Level
from local.doctor.settings_check import check_settings, is_placeholder
from tests.local.doctor.checkout import change, environment, staging

SECRET = "do-not-show-me"


def examined(
    root: Path, chosen: Environment, secrets: Mapping[str, str | None] | None = None
) -> list[Finding]:
    return list(check_settings(chosen, secrets, read_environments(root)[0]))


def errors(found: list[Finding]) -> list[str]:
    return [finding.what for finding in found if finding.level is Level.ERROR]


def test_the_checkout_as_it_is_has_no_error(root: Path) -> None:
    for each in read_environments(root):
        assert errors(examined(root, each, {})) == []


@pytest.mark.parametrize(
    ("line", "without", "words", "step"),
    [
        ('OTEL_EXPORTER_OTLP_ENDPONT = "https://o"', "", "nothing reads it", "OTEL_EXPORTER_OTLP_ENDPOINT?"),
        ('otel_service_name = "x"', "", "nothing reads it", "OTEL_SERVICE_NAME?"),
        ('FAVOURITE_COLOUR = "blue"', "", "FAVOURITE_COLOUR is declared", "docs/settings.md"),
        ('LUMIGATE_OTLP_GRAFANA_ENDPOINT = "https://o"', "", "nothing reads it", ""),
        ('AZURE_BASE_URL = "https://a"', "", "AZURE_BASE_URL is declared", ""),
        (
            f'OPENAI_API_KEY = "{SECRET}"',
            "",
            "OPENAI_API_KEY is a secret",
            "secret put OPENAI_API_KEY --env staging",
        ),
        (
            f'OTEL_EXPORTER_OTLP_HEADERS = "x={SECRET}"',
            "",
            "OTEL_EXPORTER_OTLP_HEADERS is a secret",
            "secret put",
        ),
        (f'SEALING_KEYS = "{SECRET}"', "", "SEALING_KEYS is a secret", "secret put SEALING_KEYS"),
        ("", "JWT_ISSUER", "JWT_ISSUER: missing", "Set it in [env.staging.vars]"),
        ("", "JWKS_URL", "JWKS_URL: missing", "Set it in [env.staging.vars]"),
        ('CACHE_L2_TTL_SECONDS = "5"', "", "CACHE_L2_TTL_SECONDS", "Correct it in [env.staging.vars]"),
        ('MAX_BODY_BYTES = "many"', "", "MAX_BODY_BYTES", "Correct it"),
        ('GEO_POLICY = "us-only"', "", "GEO_POLICY", "Correct it"),
        ('ROUTING_WEIGHTS = "latency"', "", "ROUTING_WEIGHTS", "Correct it"),
        ('METRICS_VIA = "pigeon"', "", "METRICS_VIA", "Correct it"),
        ('METRICS_SHARDS = "0"', "", "METRICS_SHARDS", "Correct it"),
        ('OTEL_EXPORTER_OTLP_ENDPOINT = "collector:4318"', "", "OTEL_EXPORTER_OTLP_ENDPOINT", "Correct it"),
        ('OTEL_TRACES_SAMPLER = "sometimes"', "", "OTEL_TRACES_SAMPLER", "Correct it"),
        ('LUMIGATE_TRACES_SHARE = "2"', "", "LUMIGATE_TRACES_SHARE", "Correct it"),
        ('LUMIGATE_OTLP_DESTINATIONS = "grafana"', "", "LUMIGATE_OTLP_GRAFANA_ENDPOINT", "Set it"),
        ('LUMIGATE_OTLP_DESTINATIONS = "Not A Name"', "", "LUMIGATE_OTLP_DESTINATIONS", "Correct it"),
        ('OPENAI_BASE_URL = "nowhere"', "", "OPENAI_BASE_URL", "Correct it"),
        ('PROVIDERS = "{"', "", "PROVIDERS", "Correct it"),
    ],
)
def test_each_kind_of_mistake_is_named(line: str, without: str, words: str, step: str, root: Path) -> None:
    found = examined(root, staging(root, *([line] if line else []), without=without))
    matching = [each for each in found if each.level is Level.ERROR and words in each.what]
    assert matching, [each.what for each in found]
    assert any(step in each.next_step for each in matching)
    assert all(each.next_step for each in matching)
    assert SECRET not in str(found)


def test_a_route_to_a_provider_that_there_is_not_is_named(root: Path) -> None:
    change(
        root,
        lambda document: document["env"]["staging"]["vars"]["MODELS"]["gpt-4o"].update(provider="closedai"),
    )
    (what,) = errors(examined(root, environment(root, "staging")))
    assert "MODELS.gpt-4o" in what
    assert "closedai" in what


def test_all_faults_are_told_at_once(root: Path) -> None:
    chosen = staging(
        root, 'GEO_POLICY = "x"', 'METRICS_VIA = "y"', 'OTEL_TRACES_SAMPLER = "z"', 'MAX_BODY_BYTES = "-1"'
    )
    told = " ".join(errors(examined(root, chosen)))
    assert all(
        name in told for name in ("GEO_POLICY", "METRICS_VIA", "OTEL_TRACES_SAMPLER", "MAX_BODY_BYTES")
    )


def test_no_models_at_all_are_named_once(root: Path) -> None:
    change(root, lambda document: document["env"]["staging"]["vars"].update(UNREAD=1))
    change(root, lambda document: document["env"]["staging"]["vars"].pop("MODELS"))
    told = errors(examined(root, environment(root, "staging")))
    assert sum("MODELS: is missing" in what for what in told) == 1
    assert any("UNREAD is declared" in what for what in told)


@pytest.mark.parametrize("name", sorted(code_reads.settings()))
def test_every_setting_misspelt_is_seen_and_put_right(name: str, root: Path) -> None:
    wrong = name[:-1] + ("X" if name[-1] != "X" else "Y")
    found = examined(root, staging(root, f'{wrong} = "1"'), {})
    (finding,) = [each for each in found if each.what.startswith(f"{wrong} is declared")]
    assert finding.level is Level.ERROR
    assert finding.next_step.startswith("Did you mean ")


def test_what_is_set_for_development_alone_is_named(root: Path) -> None:
    change(root, lambda document: document["vars"].update(CACHE_L1_TTL_SECONDS="10"))
    found = examined(root, environment(root, "production"))
    assert any("CACHE_L1_TTL_SECONDS is set for development alone" in each.what for each in found)
    assert not any("CACHE_L1" in each.what for each in examined(root, environment(root, "tail")))


def test_placeholders_are_named_until_they_are_replaced(root: Path) -> None:
    def told() -> list[str]:
        return [
            each.what
            for each in examined(root, environment(root, "production"))
            if each.level is Level.WARNING
        ]

    assert [what.split(" ")[0] for what in told()] == ["JWT_ISSUER", "JWKS_URL"]
    mine = {"JWT_ISSUER": "https://id.lumigate.test", "JWKS_URL": "https://id.lumigate.test/keys"}
    change(root, lambda document: document["env"]["production"]["vars"].update(mine))
    assert told() == []


def test_keys_of_callers_are_believed_when_only_their_name_is_known(root: Path) -> None:
    for name in ("JWT_ISSUER", "JWT_AUDIENCE", "JWKS_URL"):
        change(root, lambda document, name=name: document["env"]["production"]["vars"].pop(name))  # type: ignore[misc]
    chosen = environment(root, "production")
    assert errors(examined(root, chosen, {"API_KEYS": None})) == []
    assert any("nobody could come in" in what for what in errors(examined(root, chosen, {})))
    unsure = [each for each in examined(root, chosen, None) if "cannot be told" in each.what]
    assert [each.level for each in unsure] == [Level.WARNING]


def test_values_of_local_secrets_are_judged_and_not_shown(root: Path) -> None:
    found = examined(root, environment(root, "development"), {"SEALING_KEYS": f"k1:{SECRET}"})
    assert any(what.startswith("SEALING_KEYS") for what in errors(found))
    assert SECRET not in str(found)


def test_the_tail_worker_reads_telemetry_settings_only(root: Path) -> None:
    wrong = {"MODELS": "{}", "OTEL_TRACES_SAMPLER": "x"}
    change(root, lambda document: document["env"]["tail"]["vars"].update(wrong))
    told = errors(examined(root, environment(root, "tail")))
    assert any(what.startswith("MODELS is declared") for what in told)
    assert any(what.startswith("OTEL_TRACES_SAMPLER") for what in told)


@pytest.mark.parametrize(
    ("address", "so"),
    [
        ("https://issuer.example.com/keys", True),
        ("https://example.org", True),
        ("https://a.example", True),
        ("https://exampled.com", False),
        ("http://127.0.0.1:1/", False),
        ("http://[broken", False),
    ],
)
def test_names_that_nobody_has_are_placeholders(address: str, so: bool) -> None:
    assert is_placeholder(address) is so
