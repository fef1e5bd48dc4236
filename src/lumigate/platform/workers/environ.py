"""Vars and secrets of the deployment, by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import js
from pyodide.ffi import JsProxy
from workers import import_from_javascript

from lumigate.platform.workers.secrets_store import SECRETS
from lumigate.telemetry.errors import ConfigurationError

type IsSetting = Callable[[str], bool]
"""Whether the code reads a setting of that name."""


def of_telemetry(name: str) -> bool:
    """Whether a setting is one of telemetry's: all that a Worker without the gateway reads."""
    return name == "ENVIRONMENT" or name.startswith(("OTEL_", "LUMIGATE_"))


def read_environ() -> dict[str, Any]:
    """Strings and numbers as they are, structured vars as dicts; bindings are left out. Only inside a request."""
    return _look(None)[0]


async def read_settings(is_setting: IsSetting) -> dict[str, Any]:
    """`read_environ`, and the secrets that are bound from the Secrets Store under the names of settings.

    Waits for nothing where none is bound, or all have been read. Raises `ConfigurationError`.
    """
    environ, bound = _look(is_setting)
    if bound:
        environ |= await SECRETS.values(bound)
    return environ


async def renew_secrets(is_setting: IsSetting) -> None:
    """Read the secrets again. Where that fails, it is said on the console and the old ones stay in use."""
    try:
        await SECRETS.renew(_look(is_setting)[1])
    except ConfigurationError as error:
        line = {"event": "secrets_not_renewed", "level": "error", "message": str(error)}
        js.console.error(json.dumps(line))


def _look(is_setting: IsSetting | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """What can be read at once, and what must be asked for its value."""
    env = import_from_javascript("cloudflare:workers").env
    environ: dict[str, Any] = {}
    bound: dict[str, Any] = {}
    for name in js.Object.keys(env):
        value = getattr(env, name)
        if isinstance(value, JsProxy):
            if value.constructor.name in ("Object", "Array"):
                environ[name] = value.to_py()
            elif is_setting is not None and is_setting(name):
                bound[name] = value
        elif value is not None:
            environ[name] = value
    return environ, bound
