from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.config import Settings
from lumigate.errors import ConfigurationError
from tests.fakes import ENVIRON, PROVIDER_KEY, make_settings, raised_by

SECRET = "s3cr3t-value-never-shown"
DIGEST = "0" * 64


def problem(**environ: Any) -> str:
    """The one line that stops a start with these settings; None takes a setting away."""
    if "OTEL_EXPORTER_OTLP_HEADERS" in environ:
        environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "https://collector.example"
    with pytest.raises(ConfigurationError) as caught:
        make_settings(**environ)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 300
    assert message == f"{caught.value.variable}: {caught.value.problem}"
    return message


def test_a_whole_environment_is_read() -> None:
    settings = make_settings(
        JWT_LEEWAY_SECONDS="0",
        CACHE_L1_BYTES="1048576",
        UPSTREAM_TIMEOUT_SECONDS="12.5",
        OTEL_SERVICE_NAME="gw",
    )
    assert settings.environment == "test"
    assert settings.auth.leeway_seconds == 0
    assert settings.cache.l1_bytes == 1 << 20
    assert settings.upstream_timeout_seconds == 12.5
    assert [route.model for route in settings.models["fast"]] == ["gpt-4o-mini"]
    assert [key.tenant for key in settings.auth.api_keys] == ["acme"]
    assert settings.providers["openai"].base_url == "https://upstream.example/v1"
    assert settings.telemetry.service_name == "gw"


def test_what_is_not_said_has_a_default() -> None:
    settings = make_settings(OPENAI_BASE_URL=None, OPENAI_API_KEY=None, ENVIRONMENT=None)
    assert settings.providers["openai"].base_url == "https://api.openai.com/v1"
    assert settings.providers["openai"].api_key is None
    assert settings.environment == "development"


def test_an_empty_setting_is_one_that_is_not_there() -> None:
    assert make_settings(CACHE_L1_BYTES="") == make_settings()
    assert problem(MODELS="").startswith("MODELS: is missing")


def test_a_slash_at_the_end_of_a_url_makes_no_difference() -> None:
    assert make_settings(OPENAI_BASE_URL="https://upstream.example/v1/") == make_settings()


def test_structured_vars_of_wrangler_need_no_json() -> None:
    models = {"fast": {"provider": "openai", "model": "m"}}
    assert make_settings(MODELS=models) == make_settings(MODELS=json.dumps(models))


def test_settings_of_others_in_the_environment_are_passed_over() -> None:
    assert make_settings(PATH="/bin", KV=object()) == make_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODELS", None),
        ("MODELS", "{"),
        ("MODELS", "[]"),
        ("MODELS", "{}"),
        ("MODELS", "5"),
        ("MODELS", "[" * 50_000),
        ("MODELS", 5),
        ("JWKS_URL", "issuer.example/jwks.json"),
        ("JWKS_URL", "ftp://issuer.example/jwks.json"),
        ("JWKS_URL", "https://issuer.example/a b"),
        ("JWKS_URL", "https://"),
        ("JWKS_URL", "https:///jwks.json"),
        ("JWKS_URL", "https://issuer.example:port/"),
        ("JWKS_URL", "https://[/"),
        ("JWT_LEEWAY_SECONDS", "-1"),
        ("JWT_LEEWAY_SECONDS", "301"),
        ("JWT_LEEWAY_SECONDS", "nan"),
        ("JWT_LEEWAY_SECONDS", "soon"),
        ("CACHE_L1_TTL_SECONDS", "0"),
        ("CACHE_L1_TTL_SECONDS", "inf"),
        ("CACHE_L1_TTL_SECONDS", "nan"),
        ("CACHE_L1_BYTES", "0"),
        ("CACHE_L1_BYTES", "10MB"),
        ("CACHE_L1_BYTES", "1.5"),
        ("CACHE_L2_TTL_SECONDS", "59"),
        ("MAX_BODY_BYTES", "-5"),
        ("MAX_ANSWER_BYTES", "many"),
        ("UPSTREAM_TIMEOUT_SECONDS", "0"),
        ("UPSTREAM_TIMEOUT_SECONDS", "3601"),
        ("STREAM_IDLE_SECONDS", "never"),
        ("RATE_LIMIT_PERIOD_SECONDS", "0"),
        ("API_KEYS", "acme"),
        ("API_KEYS", f"acme:{DIGEST},umbrella"),
        ("API_KEYS", "acme:short"),
        ("API_KEYS", f":{DIGEST}"),
        ("API_KEYS", f"{'t' * 97}:{DIGEST}"),
        ("API_KEYS", 5),
        ("API_KEYS", {"acme": DIGEST}),
        ("OPENAI_BASE_URL", "upstream.example"),
        ("OPENAI_BASE_URL", 5),
        ("OPENAI_API_KEY", 5),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization"),
        ("LUMIGATE_TELEMETRY_FLUSH", "never"),
    ],
)
def test_a_malformed_setting_stops_the_start_with_one_line_that_names_it(name: str, value: Any) -> None:
    message = problem(**{name: value})
    assert message.partition(":")[0].split(".")[0] == name
    assert message.partition(": ")[2]


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ({"provider": "openai"}, "MODELS.fast.model: is missing"),
        ({"model": "m"}, "MODELS.fast.provider: is missing"),
        (
            {"provider": "acme", "model": "m"},
            "MODELS.fast: unknown provider 'acme'; known: openai, anthropic, google, cohere, mistral, openrouter, "
            "workers_ai",
        ),
        (
            {"provider": "openai", "model": "m", "price": 1},
            "MODELS.fast: has no member 'price'; there are provider, model, input_usd_per_mtok, output_usd_per_mtok, "
            "cached_input_usd_per_mtok, region, quality, allow_countries, deny_countries",
        ),
        ({"provider": "openai", "modle": "m"}, "MODELS.fast: has no member 'modle'; did you mean 'model'?"),
        (
            {"provider": "openai", "model": "m", "input_usd_per_mtok": -1},
            "MODELS.fast.input_usd_per_mtok: Input should be greater than or equal to 0",
        ),
        ("openai", "MODELS.fast: Input should be a valid dictionary or instance of ModelRoute"),
    ],
)
def test_a_fault_in_the_routing_table_names_its_place(route: Any, expected: str) -> None:
    assert problem(MODELS=json.dumps({"fast": route})) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("POLICY", {"route": {}}, "POLICY: has no member 'route'; did you mean 'routes'?"),
        ("JWT_ISSUERS", [{"algorithm": "RS256"}], "JWT_ISSUERS.0: has no member 'algorithm'"),
        ("TENANT_LIMITS", {"a": {"requests_per_minut": 3}}, "did you mean 'requests_per_minute'?"),
        ("PROVIDERS", {"vllm": {"url": "https://a.example"}}, "PROVIDERS.vllm: has no member 'url'"),
        ("CACHE_ROUTES", {"m": {"stream": True}}, "CACHE_ROUTES.m: has no member 'stream'"),
        ("API_KEYS", [{"tenant": "a", "sha": "hidden"}], "API_KEYS.0: has no member 'sha'"),
        ("ROUTING_WEIGHTS", {"speed": 1}, "has no member 'speed'; there are latency, cost, quality"),
    ],
)
def test_a_member_that_nobody_reads_is_named_with_those_that_there_are(
    name: str, value: Any, expected: str
) -> None:
    told = problem(**{name: value})
    assert expected in told
    assert "hidden" not in told
    assert "Extra inputs" not in told


@pytest.mark.parametrize("name", ["JWT_ISSUER", "JWT_AUDIENCE", "JWKS_URL"])
def test_token_settings_come_all_together_or_not_at_all(name: str) -> None:
    assert problem(**{name: None}) == f"{name}: missing, and the other token settings are there"


def test_a_gateway_that_nobody_could_enter_does_not_start() -> None:
    tokens = {"JWT_ISSUER": None, "JWT_AUDIENCE": None, "JWKS_URL": None}
    assert make_settings(**tokens).auth.issuers == ()
    assert problem(**tokens, API_KEYS=None).startswith("JWT_ISSUER: missing")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", [SECRET]),
        ("OPENAI_BASE_URL", f"http//user:{SECRET}@upstream.example"),
        ("JWKS_URL", f"http//user:{SECRET}@issuer.example"),
        ("API_KEYS", f"acme:{SECRET}"),
        ("API_KEYS", f"{SECRET}"),
        ("API_KEYS", [{"tenant": "acme", "key": SECRET}]),
        ("MODELS", f'{{"fast": "{SECRET}"'),
        ("MODELS", {"fast": {"provider": "openai", "model": [SECRET]}}),
        ("OTEL_EXPORTER_OTLP_HEADERS", SECRET),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", f"user:{SECRET}@collector"),
    ],
)
def test_what_was_set_is_never_quoted_where_it_may_be_a_secret(name: str, value: Any) -> None:
    assert SECRET not in problem(**{name: value})


def test_secrets_are_not_in_the_settings_as_they_are_shown() -> None:
    settings = make_settings(
        OPENAI_API_KEY=SECRET,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"https://user:{SECRET}@collector.example",
        OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer {SECRET}",
    )
    key = settings.providers["openai"].api_key
    assert key is not None
    assert key.get_secret_value() == SECRET
    for shown in (repr(settings), str(settings), repr(settings.providers), str(settings.telemetry)):
        assert SECRET not in shown
    assert SECRET not in settings.providers["openai"].model_dump_json()


@given(
    name=st.sampled_from([*ENVIRON, "CACHE_L1_BYTES", "JWT_LEEWAY_SECONDS", "OTEL_EXPORTER_OTLP_ENDPOINT"]),
    value=st.text(max_size=30) | st.integers() | st.floats() | st.booleans() | st.lists(st.text(max_size=3)),
)
def test_no_value_of_a_setting_raises_anything_but_a_configuration_error(name: str, value: Any) -> None:
    error = raised_by(ConfigurationError, Settings.from_environ, {**ENVIRON, name: value})
    assert "\n" not in str(error)
    assert PROVIDER_KEY not in str(error)


# --- providers


def test_a_name_may_stand_for_several_candidates() -> None:
    one, other = {"provider": "openai", "model": "a"}, {"provider": "google", "model": "b", "region": "eu"}
    settings = make_settings(MODELS=json.dumps({"fast": [one, other], "slow": one}))
    assert [route.model for route in settings.models["fast"]] == ["a", "b"]
    assert [route.model for route in settings.models["slow"]] == ["a"]
    assert (
        problem(MODELS=json.dumps({"fast": [one, {"provider": "google"}]}))
        == "MODELS.fast.1.model: is missing"
    )
    assert problem(MODELS=json.dumps({"fast": []})).startswith("MODELS.fast: ")


def test_a_provider_of_ones_own_choosing_has_an_address_and_a_key_by_its_name() -> None:
    settings = make_settings(
        PROVIDERS='{"groq": {"base_url": "https://api.groq.com/openai/v1/"}}',
        GROQ_API_KEY=SECRET,
        MODELS='{"fast": {"provider": "groq", "model": "llama"}}',
    )
    groq = settings.providers["groq"]
    assert (groq.base_url, groq.api) == ("https://api.groq.com/openai/v1", "openai")
    assert groq.api_key is not None
    assert groq.api_key.get_secret_value() == SECRET


def test_through_the_ai_gateway_go_all_that_have_no_address_of_their_own() -> None:
    settings = make_settings(
        AI_GATEWAY_URL="https://gateway.ai.cloudflare.com/v1/a/g", AI_GATEWAY_TOKEN=SECRET
    )
    anthropic, openai = settings.providers["anthropic"], settings.providers["openai"]
    assert anthropic.base_url == "https://gateway.ai.cloudflare.com/v1/a/g/anthropic"
    assert anthropic.header_values() == {"cf-aig-authorization": f"Bearer {SECRET}"}
    assert (openai.base_url, openai.header_values()) == ("https://upstream.example/v1", {})
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROVIDERS", "{"),
        ("PROVIDERS", '{"openai": {"base_url": "https://x.example"}}'),
        ("PROVIDERS", '{"Groq": {"base_url": "https://x.example"}}'),
        ("PROVIDERS", '{"groq": {"base_url": "x.example"}}'),
        ("PROVIDERS", '{"groq": {"base_url": "https://x.example", "api": "soap"}}'),
        ("AI_GATEWAY_URL", "gateway"),
        ("ROUTING_WEIGHTS", "latency"),
        ("ROUTING_WEIGHTS", "speed=5"),
        ("ROUTING_WEIGHTS", "latency=-1"),
        ("GEO_POLICY", "moon-only"),
        ("GEO_ALLOW_COUNTRIES", "Germany"),
        ("RETRY_ATTEMPTS", "0"),
        ("HEDGE_AFTER_MS", "0"),
        ("REQUEST_DEADLINE_SECONDS", "0"),
        ("MAX_REQUEST_COST_USD", "0"),
        ("TENANT_CLASSES", '{"acme": "Très Cher"}'),
    ],
)
def test_a_malformed_setting_of_routing_stops_the_start_too(name: str, value: str) -> None:
    assert problem(**{name: value}).partition(":")[0].split(".")[0] == name
