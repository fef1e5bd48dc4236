"""What the code reads from `env`, asked of the code itself: settings, which of them are secret, and bindings.

Settings are the fields of every `_Environment` model under `src/lumigate`, two for each provider, and whatever the
telemetry engine asks for while it reads an environment that leads it everywhere. Bindings are the names that
`WorkersPorts` looks up, with the kind that the adapter around each is for.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, SecretStr

import lumigate
from lumigate.model_table import PROVIDER_BASE_URLS
from lumigate.telemetry import TelemetryConfig
from lumigate.telemetry.errors import ConfigurationError

SOURCE: Final = Path(lumigate.__file__).parent
_KINDS: Final[Mapping[str, str]] = {
    "WorkersKeyValue": "kv_namespaces",
    "WorkersBlobStore": "r2_buckets",
    "WorkersDataPoints": "analytics_engine_datasets",
    "WorkersRateLimit": "ratelimits",
    "WorkersAI": "ai",
    "WorkersVectorIndex": "vectorize",
    "WorkersCounterShard": "durable_objects",
}
"""Which kind of binding each adapter is for; an adapter that is not here stands for a Durable Object of its own."""
_VERSION: Final = "VERSION_METADATA"
_EVERY_ENDPOINT: Final = re.compile(r"_ENDPOINT$")
_GENERAL_ENDPOINT: Final = re.compile(r"(?<!_TRACES)(?<!_METRICS)(?<!_LOGS)_ENDPOINT$")


class _Recorder(Mapping[str, object]):
    """An environment that notes what it is asked for. The endpoints that match are set, so that all that hangs on them
    is read."""

    def __init__(self, destinations: str, endpoints: re.Pattern[str]) -> None:
        self.asked: set[str] = set()
        self._values = {"LUMIGATE_OTLP_DESTINATIONS": destinations}
        self._endpoints = endpoints

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return "http://localhost" if self._endpoints.search(key) else self._values.get(key, default)

    def __getitem__(self, key: str) -> object:
        return self.get(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def telemetry_settings(destinations: str = "") -> frozenset[str]:
    """What the telemetry engine reads; `destinations` is the value of LUMIGATE_OTLP_DESTINATIONS, which names more."""
    asked = {"ENVIRONMENT"}
    for endpoints in (_EVERY_ENDPOINT, _GENERAL_ENDPOINT):
        recorder = _Recorder(destinations, endpoints)
        TelemetryConfig.from_environ(recorder)
        asked |= recorder.asked
    return frozenset(asked)


def settings(providers: tuple[str, ...] = (), destinations: str = "") -> frozenset[str]:
    """What the gateway reads; `providers` are the names in PROVIDERS, each with an address and a key of its own."""
    found = {name for model in _models() for name in model.model_fields}
    for provider in (*PROVIDER_BASE_URLS, *providers):
        found |= {f"{provider.upper()}_API_KEY", f"{provider.upper()}_BASE_URL"}
    return frozenset(found) | telemetry_settings(destinations)


def settings_with(values: Mapping[str, Any]) -> frozenset[str]:
    """What the gateway reads where these are set: some name others, with a name of the operator's in them."""
    return settings(tuple(_custom_providers(values)), destinations_of(values))


def destinations_of(values: Mapping[str, Any]) -> str:
    """The further collectors that are named; none where they are named wrongly, which is a fault of its own."""
    named = str(values.get("LUMIGATE_OTLP_DESTINATIONS") or "")
    try:
        telemetry_settings(named)
    except ConfigurationError:
        return ""
    return named


def is_secret(name: str) -> bool:
    """Whether the setting's value must be shown to nobody."""
    declared = {field for model in _models() for field, info in model.model_fields.items() if _hides(info)}
    # API_KEYS holds digests, which are not for reading either
    return name in declared or name == "API_KEYS" or name.endswith(("_API_KEY", "_HEADERS"))


def bindings() -> Mapping[str, str]:
    """Name and kind of each binding that the Worker looks up."""
    tree = ast.parse((SOURCE / "platform" / "workers" / "ports.py").read_text(encoding="utf-8"))
    found = {_VERSION: "version_metadata"}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for name in _looked_up(function):
            adapter = ast.unparse(function.returns).split(" ")[0] if function.returns else ""
            found[name] = _KINDS.get(adapter, "durable_objects")
    return found


def exported_classes(main: Path) -> Mapping[str, bool]:
    """The classes that the entry module exports, and whether each is a Durable Object."""
    tree = ast.parse(main.read_text(encoding="utf-8"))
    return {
        node.name: any("DurableObject" in ast.unparse(base) for base in node.bases)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def handlers(main: Path) -> frozenset[str]:
    """What the default entrypoint handles: `fetch`, `scheduled`, `tail`."""
    tree = ast.parse(main.read_text(encoding="utf-8"))
    return frozenset(
        method.name
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "Default"
        for method in node.body
        if isinstance(method, ast.AsyncFunctionDef | ast.FunctionDef)
    )


def _custom_providers(values: Mapping[str, Any]) -> list[str]:
    table = values.get("PROVIDERS")
    if isinstance(table, str):
        try:
            table = json.loads(table)
        except ValueError:
            return []
    return [str(name) for name in table] if isinstance(table, dict) else []


def _looked_up(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """The names in `getattr(self._env, NAME, …)`."""
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "getattr"
            and len(node.args) > 1
            and ast.unparse(node.args[0]) == "self._env"
            and isinstance(node.args[1], ast.Constant)
            and isinstance(node.args[1].value, str)
        ):
            yield node.args[1].value


@cache
def _models() -> tuple[type[BaseModel], ...]:
    """Every model of settings by the names they have in the environment."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        if "class _Environment(" in path.read_text(encoding="utf-8"):
            parts = path.relative_to(SOURCE.parent).with_suffix("").parts
            found.append(importlib.import_module(".".join(parts))._Environment)
    return tuple(found)


def _hides(info: Any) -> bool:
    return SecretStr in (info.annotation, *getattr(info.annotation, "__args__", ()))
