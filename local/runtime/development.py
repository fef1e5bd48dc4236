"""The settings that development starts from: mocks behind the gateway, a routing table with a few models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local.mocks.issuer import AUDIENCE, ISSUER

_USD_PER_MTOK: Mapping[str, tuple[float, float]] = {
    "gpt-5": (1.25, 10.0),
    "gpt-5-mini": (0.25, 2.0),
    "gpt-4o-mini": (0.15, 0.6),
    "text-embedding-3-small": (0.02, 0.0),
}
"""Input and output prices of the models in the development routing table."""

_OTHER_PROVIDERS: Mapping[str, tuple[str, str]] = {
    "claude-sonnet-5-5": ("anthropic", "us"),
    "gemini-3.8-flash": ("google", "eu"),
    "command-a-03-2025": ("cohere", "us"),
    "mistral-small-latest": ("mistral", "eu"),
}
"""Models of the other providers: who has them, and where. Their prices are the built-in table's."""

_USUAL_MODEL = "gpt-5-mini"


METRICS_TOKEN = "local-metrics"  # noqa: S105 - see below
"""What a scraper shows the gateway on this machine; no secret, it listens on the loopback only."""


DEVELOPMENT_PEPPER = "keys-of-this-machine-only"
"""What API keys are hashed with where the developer has set none; a deployment has a secret one."""


def development_settings(*, jwks_url: str, openai_base_url: str) -> dict[str, Any]:
    """What the environment holds where the developer has set nothing."""
    models: dict[str, Any] = {
        name: {"provider": "openai", "model": name, "input_usd_per_mtok": cost, "output_usd_per_mtok": gain}
        for name, (cost, gain) in _USD_PER_MTOK.items()
    }
    others = {
        name: {"provider": provider, "model": name, "region": region}
        for name, (provider, region) in _OTHER_PROVIDERS.items()
    }
    models |= others
    models["auto"] = [models["gpt-5-mini"], *others.values()]
    root = openai_base_url.removesuffix("/v1")
    return {
        "ENVIRONMENT": "development",
        "OTEL_SERVICE_NAME": "lumigate",  # as in wrangler.toml: the `job` of what Prometheus takes over OTLP
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "JWKS_URL": jwks_url,
        "OPENAI_BASE_URL": openai_base_url,
        "OPENAI_API_KEY": "sk-mock",
        "ANTHROPIC_BASE_URL": root,
        "GOOGLE_BASE_URL": f"{root}/v1beta",
        "COHERE_BASE_URL": root,
        "MISTRAL_BASE_URL": openai_base_url,
        "OPENROUTER_BASE_URL": openai_base_url,
        "WORKERS_AI_BASE_URL": openai_base_url,
        "METRICS_TOKEN": METRICS_TOKEN,
        "API_KEY_PEPPER": DEVELOPMENT_PEPPER,
        "MODELS": json.dumps(models),
    }


def example_model(settings: Mapping[str, Any]) -> str:
    """A model that the routing table in `settings` knows, for examples and for made traffic."""
    table = settings["MODELS"]
    models = json.loads(table) if isinstance(table, str) else table
    return _USUAL_MODEL if _USUAL_MODEL in models else next(iter(models))
