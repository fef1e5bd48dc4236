"""Settings that work, and the fixed values they hold."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from lumigate.config import Settings

NOW_SECONDS = 1_700_000_000
ISSUER = "https://issuer.example/"
AUDIENCE = "lumigate"
JWKS_URL = "https://issuer.example/jwks.json"
API_KEY = "test-key-of-acme"
PROVIDER_KEY = "sk-provider-secret"

ENVIRON: Mapping[str, Any] = {
    "ENVIRONMENT": "test",
    "JWT_ISSUER": ISSUER,
    "JWT_AUDIENCE": AUDIENCE,
    "JWKS_URL": JWKS_URL,
    "API_KEYS": f"acme:{hashlib.sha256(API_KEY.encode()).hexdigest()}",
    "MODELS": json.dumps(
        {
            "fast": {
                "provider": "openai",
                "model": "gpt-4o-mini",
                "input_usd_per_mtok": 0.15,
                "output_usd_per_mtok": 0.6,
            }
        }
    ),
    "RETRY_ATTEMPTS": "1",
    "OPENAI_API_KEY": PROVIDER_KEY,
    "OPENAI_BASE_URL": "https://upstream.example/v1",
}


def raised_by[E: Exception](kind: type[E], function: Callable[..., Any], *args: Any) -> E | None:
    """The error of that kind that a call raises; None if it returns. Any other error passes on."""
    try:
        function(*args)
    except kind as error:
        return error
    return None


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


def make_settings(**environ: Any) -> Settings:
    """Settings that work; a value of None takes one out."""
    merged = {**ENVIRON, **environ}
    return Settings.from_environ({name: value for name, value in merged.items() if value is not None})
