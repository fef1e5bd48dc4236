"""Checks the settings of one environment: each is read, right, in its place, and none that is needed is absent.

Values are judged by the application's own `Settings`; where it stops at the first fault, the fault is taken away and it
is asked again, so that all of them are told at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from local.doctor import code_reads
from local.doctor.environments import DEVELOPMENT, Environment
from local.doctor.finding import Finding, Part
from lumigate.config import Settings
from lumigate.errors import ConfigurationError as SettingsError
from lumigate.telemetry import TelemetryConfig
from lumigate.telemetry.errors import ConfigurationError as TelemetryError

_STAND_INS: Final[Mapping[str, Any]] = {
    "MODELS": '{"stand-in": {"provider": "openai", "model": "stand-in"}}',
    "API_KEYS": "stand-in:" + "0" * 64,
    "API_KEY_PEPPER": "stand-in for a pepper",
    "SEALING_KEYS": "stand-in:" + "A" * 43 + "=",
    "OTEL_EXPORTER_OTLP_HEADERS": "stand-in=x",
}
"""For secrets whose names are known and whose values are not: right in form."""
_MOST_FAULTS: Final = 50
_TOKENS: Final = ("JWT_ISSUER", "JWT_AUDIENCE", "JWKS_URL", "JWT_ISSUERS")
_PLACEHOLDERS: Final = ("example.com", "example.org", "example.net", "example")
"""RFC 2606: names that nobody has."""


def is_gateway(environment: Environment) -> bool:
    """Whether it deploys the gateway; the Tail Worker reads the settings of telemetry alone."""
    return "tail" not in environment.main


def known_settings(environment: Environment, more: Mapping[str, Any]) -> frozenset[str]:
    """What the code of this environment reads, the settings named by other settings included."""
    values = {**environment.variables, **more}
    if is_gateway(environment):
        return code_reads.settings_with(values)
    return code_reads.telemetry_settings(code_reads.destinations_of(values))


def check_settings(
    environment: Environment, secrets: Mapping[str, str | None] | None, top: Environment
) -> Iterator[Finding]:
    """`secrets` by name, the value None where only the name is known; None where not even the names could be had."""
    part = Part(check="settings", where=environment.name)
    known = known_settings(environment, secrets or {})
    found = [
        *_unread(part, environment, known),
        *_misplaced(part, environment),
        *_faults(part, environment, secrets),
        *_not_inherited(part, environment, top),
        *_placeholders(part, environment),
    ]
    yield from found
    if not any(finding.level.value == "error" for finding in found):
        yield part.ok(f"{len(environment.variables)} settings, each of them read and right")


def _unread(part: Part, environment: Environment, known: frozenset[str]) -> Iterator[Finding]:
    for name in environment.variables:
        if name not in known:
            yield part.error(f"{name} is declared, and nothing reads it", suggestion(name, known))


def suggestion(name: str, known: frozenset[str]) -> str:
    """The name that was probably meant; which names there are is told by the documents."""
    close = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.75)
    return f"Did you mean {close[0]}?" if close else "Remove it; docs/settings.md lists what is read."


def _misplaced(part: Part, environment: Environment) -> Iterator[Finding]:
    for name, value in environment.variables.items():
        if code_reads.is_secret(name) and value not in ("", None):
            yield part.error(
                f"{name} is a secret, and wrangler.toml holds its value for all to read",
                f"Take it out, replace the secret where it came from, then: "
                f"npx wrangler secret put {name}{environment.flag}",
            )


def _faults(
    part: Part, environment: Environment, secrets: Mapping[str, str | None] | None
) -> Iterator[Finding]:
    values = {name: value for name, value in environment.variables.items() if value is not None}
    stored = {
        binding.name: None for binding in environment.bindings if binding.kind == "secrets_store_secrets"
    }
    for name, value in {**stored, **(secrets or {})}.items():
        values[name] = _STAND_INS.get(name, "stand-in") if value is None else value
    silent = not any(values.get(name) for name in _TOKENS)
    if secrets is None and silent and "API_KEYS" not in stored and is_gateway(environment):
        values.setdefault("API_KEYS", _STAND_INS["API_KEYS"])
        yield part.warning(
            "no issuer is named, and whether there are API_KEYS cannot be told from here",
            f"Make sure: npx wrangler secret list{environment.flag}",
        )
    seen: set[str] = set()
    while len(seen) < _MOST_FAULTS and (fault := _first_fault(environment, values)) is not None:
        name, problem = fault
        setting = name.partition(".")[0]
        if setting in seen:
            return
        seen.add(setting)
        yield part.error(f"{name}: {problem}", _remedy(environment, setting, values))
        if setting in _STAND_INS:
            values[setting] = _STAND_INS[setting]
        else:
            values.pop(setting, None)
            if setting in _TOKENS:
                for other in _TOKENS:
                    values.pop(other, None)
                values["API_KEYS"] = _STAND_INS["API_KEYS"]


def _first_fault(environment: Environment, values: Mapping[str, Any]) -> tuple[str, str] | None:
    try:
        if is_gateway(environment):
            Settings.from_environ(values)
        else:
            texts = {
                name: str(value) for name, value in values.items() if isinstance(value, str | int | float)
            }
            TelemetryConfig.from_environ(texts)
    except (SettingsError, TelemetryError) as error:
        name, _, problem = str(error).partition(": ")
        return name.strip(), problem or str(error)
    return None


def _remedy(environment: Environment, name: str, values: Mapping[str, Any]) -> str:
    if code_reads.is_secret(name):
        return f"Set it anew: npx wrangler secret put {name}{environment.flag}"
    section = "[vars]" if environment.is_development else f"[env.{environment.name}.vars]"
    verb = "Correct" if name in values else "Set"
    return f"{verb} it in {section} of wrangler.toml; docs/settings.md says what it may be."


def _not_inherited(part: Part, environment: Environment, top: Environment) -> Iterator[Finding]:
    if environment.is_development or not is_gateway(environment):
        return
    for name in top.variables:
        if name not in environment.variables and not code_reads.is_secret(name):
            yield part.warning(
                f"{name} is set for {DEVELOPMENT} alone; named environments do not inherit vars",
                f"Set it in [env.{environment.name}.vars] too, or take it from [vars].",
            )


def _placeholders(part: Part, environment: Environment) -> Iterator[Finding]:
    """Addresses that were left as the template has them."""
    for name, value in environment.variables.items():
        if isinstance(value, str) and is_placeholder(value) and not environment.is_development:
            yield part.warning(
                f"{name} still names the placeholder {urlsplit(value).hostname}",
                f"Put your own address into [env.{environment.name}.vars].",
            )


def is_placeholder(address: str) -> bool:
    """Whether an address is at a name that nobody has."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    return any(host == name or host.endswith(f".{name}") for name in _PLACEHOLDERS)
