"""`wrangler.toml` as wrangler reads it: each environment with what it inherits, and what it must say itself.

Bindings and vars are not inherited by a named environment; the rest of what is used here is.
https://developers.cloudflare.com/workers/wrangler/configuration/#inheritable-keys
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FILE_NAME: Final = "wrangler.toml"
DEVELOPMENT: Final = "development"
"""What the top level is called here: wrangler has no name for it."""

_INHERITED: Final = (
    *("main", "compatibility_date", "compatibility_flags", "workers_dev", "migrations", "triggers"),
    *("observability", "limits", "placement", "account_id", "routes", "route", "logpush"),
)
_LISTED: Final[Mapping[str, str]] = {
    "kv_namespaces": "binding",
    "r2_buckets": "binding",
    "d1_databases": "binding",
    "analytics_engine_datasets": "binding",
    "services": "binding",
    "vectorize": "binding",
    "secrets_store_secrets": "binding",
    "ratelimits": "name",
}
"""Kinds of binding that are lists of tables, and the member that holds the name."""
_SINGLE: Final = ("ai", "version_metadata", "browser", "images")
"""Kinds that are one table with a `binding`."""


class WranglerFileError(Exception):
    """The file is not there or cannot be read; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One binding: its name in `env`, its kind (the key in the file) and its table."""

    name: str
    kind: str
    table: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment, whole."""

    name: str
    worker: str
    config: Mapping[str, Any]

    @property
    def is_development(self) -> bool:
        return self.name == DEVELOPMENT

    @property
    def arguments(self) -> tuple[str, ...]:
        """What names it to wrangler; `--env=""` is the top level, said so that wrangler does not warn."""
        return ("--env", "") if self.is_development else ("--env", self.name)

    @property
    def flag(self) -> str:
        """The same for a person to paste."""
        return "" if self.is_development else f" --env {self.name}"

    @property
    def main(self) -> str:
        return str(self.config.get("main", ""))

    @property
    def variables(self) -> Mapping[str, Any]:
        return _table(self.config.get("vars"))

    @property
    def crons(self) -> Sequence[str]:
        found = _table(self.config.get("triggers")).get("crons", [])
        return found if isinstance(found, list) else []

    @property
    def bindings(self) -> list[Binding]:
        """All of them, those of one name twice if they are there twice."""
        found: list[Binding] = []
        for kind, member in _LISTED.items():
            found += [
                Binding(name=str(table.get(member, "")), kind=kind, table=table)
                for table in _tables(self.config.get(kind))
            ]
        for kind in _SINGLE:
            if table := _table(self.config.get(kind)):
                found.append(Binding(name=str(table.get("binding", "")), kind=kind, table=table))
        objects = _table(self.config.get("durable_objects")).get("bindings")
        found += [
            Binding(name=str(table.get("name", "")), kind="durable_objects", table=table)
            for table in _tables(objects)
        ]
        return found

    @property
    def migrations(self) -> Sequence[Mapping[str, Any]]:
        """The migrations of the Durable Objects, in order."""
        return _tables(self.config.get("migrations"))


def read_environments(root: Path) -> list[Environment]:
    """The top level first, then each named environment in order. Raises `WranglerFileError`."""
    path = root / FILE_NAME
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WranglerFileError(f"{FILE_NAME} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise WranglerFileError(f"{FILE_NAME} is not TOML: {error}") from None
    base = str(document.get("name", ""))
    top = {key: value for key, value in document.items() if key != "env"}
    found = [Environment(name=DEVELOPMENT, worker=base, config=top)]
    for name, own in _table(document.get("env")).items():
        table = _table(own)
        inherited: dict[str, Any] = {key: top[key] for key in _INHERITED if key in top}
        worker = str(table.get("name") or f"{base}-{name}")
        found.append(Environment(name=name, worker=worker, config={**inherited, **table}))
    return found


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _tables(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
