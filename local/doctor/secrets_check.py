"""Checks that the secrets an environment needs are there, by name; their values are never asked for.

Deployed ones are listed by wrangler, which needs a login; those of this machine are in `.dev.vars`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from local.dev_vars import FILE_NAME, read_dev_vars
from local.doctor import code_reads
from local.doctor.environments import Environment
from local.doctor.finding import Finding, Part
from local.doctor.settings_check import is_gateway, known_settings, suggestion
from local.doctor.stored_secrets import references
from local.wrangler import last_words
from lumigate.config import Settings
from lumigate.errors import ConfigurationError
from lumigate.model_table import PROVIDER_BASE_URLS

type Wrangler = Callable[[list[str]], tuple[int, str, str]]
"""Runs wrangler with arguments: exit code, standard output, standard error."""

LOG_IN = "Log in: npx wrangler login; or set CLOUDFLARE_API_TOKEN."


def list_secrets(environment: Environment, wrangler: Wrangler) -> tuple[dict[str, None] | None, str]:
    """The names of the deployed secrets; or None, and why they cannot be had."""
    code, out, err = wrangler(["secret", "list", "--format", "json", *environment.arguments])
    if code != 0:
        return None, last_words(err or out)
    try:
        return {str(entry["name"]): None for entry in json.loads(out)}, ""
    except (ValueError, TypeError, KeyError):
        return None, "wrangler did not answer with a list; does its version match package.json?"


def local_secrets(root: Path) -> dict[str, str]:
    """What `.dev.vars` sets."""
    return read_dev_vars(root)


def check_secrets(
    environment: Environment,
    secrets: Mapping[str, str | None] | None,
    unavailable: str = "",
    remedy: str = LOG_IN,
) -> Iterator[Finding]:
    """Findings about `secrets`; `unavailable` says why there are none to look at, `remedy` what to do about it.

    Those of the Secrets Store count.
    """
    part = Part(check="secrets", where=environment.name)
    if secrets is None:
        yield part.skipped(
            f"they cannot be listed: {unavailable}",
            remedy,
        )
        return
    known = known_settings(environment, secrets)
    found = [*_unread(part, environment, secrets, known)]
    secrets = {**{binding.name: None for binding in references(environment)}, **secrets}
    if is_gateway(environment):
        found += _provider_keys(part, environment, secrets)
        found += _telemetry(part, environment, secrets)
    yield from found
    if not found:
        names = ", ".join(sorted(secrets)) or "none"
        yield part.ok(f"all that is needed is there ({names})")


def _unread(
    part: Part, environment: Environment, secrets: Mapping[str, str | None], known: frozenset[str]
) -> Iterator[Finding]:
    for name in secrets:
        if name not in known:
            where = FILE_NAME if environment.is_development else "the deployment"
            yield part.error(f"{name} is set in {where}, and nothing reads it", suggestion(name, known))
        elif name in environment.variables and not environment.is_development:
            yield part.error(
                f"{name} is a var of wrangler.toml and a secret at once, and a deployment would fail",
                f"Keep one of them: npx wrangler secret delete {name}{environment.flag}",
            )


def _provider_keys(
    part: Part, environment: Environment, secrets: Mapping[str, str | None]
) -> Iterator[Finding]:
    """A provider that a route names, at its usual address, wants a key."""
    if environment.is_development:
        return  # `lumigate dev` puts a mock behind every provider that has no key
    for name in sorted(_routed_providers(environment)):
        setting = f"{name.upper()}_API_KEY"
        keyless = name not in PROVIDER_BASE_URLS or "AI_GATEWAY_TOKEN" in secrets
        bound = name == "workers_ai" and any(binding.kind == "ai" for binding in environment.bindings)
        if setting not in secrets and not keyless and not bound:
            yield part.error(
                f"MODELS routes to {name}, and there is no {setting}",
                f"npx wrangler secret put {setting}{environment.flag}",
            )


def _telemetry(part: Part, environment: Environment, secrets: Mapping[str, str | None]) -> Iterator[Finding]:
    names = {*environment.variables, *secrets}
    for name in sorted(names):
        if name.endswith("_HEADERS") and code_reads.is_secret(name):
            endpoint = f"{name.removesuffix('_HEADERS')}_ENDPOINT"
            general = "OTEL_EXPORTER_OTLP_ENDPOINT" if name.startswith("OTEL_") else endpoint
            if endpoint not in names and general not in names:
                yield part.warning(
                    f"{name} is set, and there is no {endpoint} to send it to",
                    f"Set {endpoint}, or remove the headers.",
                )


def _routed_providers(environment: Environment) -> set[str]:
    values = {**environment.variables, "API_KEYS": "stand-in:" + "0" * 64}
    for name in ("JWT_ISSUER", "JWT_AUDIENCE", "JWKS_URL"):
        values.pop(name, None)
    try:
        models = Settings.from_environ(values).models
    except ConfigurationError:
        return set()  # told by the check of the settings
    except ValueError:
        return set()
    return {route.provider for routes in models.values() for route in routes}
