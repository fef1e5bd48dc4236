"""Vars and secrets of the deployment, by name."""

from __future__ import annotations

from typing import Any

import js
from pyodide.ffi import JsProxy
from workers import import_from_javascript


def read_environ() -> dict[str, Any]:
    """Strings and numbers as they are, structured vars as dicts; bindings are left out. Only inside a request."""
    env = import_from_javascript("cloudflare:workers").env
    environ: dict[str, Any] = {}
    for name in js.Object.keys(env):
        value = getattr(env, name)
        if isinstance(value, JsProxy):
            if value.constructor.name in ("Object", "Array"):
                environ[name] = value.to_py()
        elif value is not None:
            environ[name] = value
    return environ
