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

_USUAL_MODEL = "gpt-5-mini"


METRICS_TOKEN = "local-metrics"  # noqa: S105 - see below
"""What a scraper shows the gateway on this machine; no secret, it listens on the loopback only."""


def development_settings(*, jwks_url: str, openai_base_url: str) -> dict[str, Any]:
    """What the environment holds where the developer has set nothing."""
    models = {
        name: {"provider": "openai", "model": name, "input_usd_per_mtok": cost, "output_usd_per_mtok": gain}
        for name, (cost, gain) in _USD_PER_MTOK.items()
    }
    return {
        "ENVIRONMENT": "development",
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "JWKS_URL": jwks_url,
        "OPENAI_BASE_URL": openai_base_url,
        "OPENAI_API_KEY": "sk-mock",
        "METRICS_TOKEN": METRICS_TOKEN,
        "MODELS": json.dumps(models),
    }


def example_model(settings: Mapping[str, Any]) -> str:
    """A model that the routing table in `settings` knows, for examples and for made traffic."""
    table = settings["MODELS"]
    models = json.loads(table) if isinstance(table, str) else table
    return _USUAL_MODEL if _USUAL_MODEL in models else next(iter(models))
