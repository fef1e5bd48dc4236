"""Checks the bindings of an environment against what the code looks up, and Durable Objects against the classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from local.doctor import code_reads
from local.doctor.environments import Binding, Environment
from local.doctor.finding import Finding, Part
from local.doctor.settings_check import is_gateway

FIRST_DATE: Final = "2026-09-08"
"""The first compatibility date that gives Python 3.14 (Pyodide 314), for which the wheels are vendored."""
_FLAGS: Final[Mapping[str, str]] = {
    "python_workers": "the Worker is written in Python",
    "enable_request_signal": "it is how a hang-up in the middle of a stream is noticed",
}
_WITHOUT: Final[Mapping[str, str]] = {
    "kv_namespaces": "answers are not cached beyond one isolate's memory",
    "r2_buckets": "large objects are kept nowhere",
    "analytics_engine_datasets": "no data points are written",
    "ratelimits": "no rate limit is in force",
    "version_metadata": "telemetry cannot tell one deployment from another",
    "durable_objects": "what it counts is not counted across isolates",
    "vectorize": "CACHE_NEAR_VECTORS has no index to look into",
}
_OPTIONAL: Final = frozenset({"ai", "vectorize"})
"""Kinds that only some deployments want."""
_OWN: Final[Mapping[str, str]] = {
    "r2_buckets": "bucket_name",
    "analytics_engine_datasets": "dataset",
    "ratelimits": "namespace_id",
    "kv_namespaces": "id",
    "vectorize": "index_name",
}
"""The member that names the resource behind a binding, which two environments should not share."""


def check_bindings(environment: Environment, root: Path) -> Iterator[Finding]:
    """Names, kinds, classes, migrations, the entry module, the cron trigger, date and flags."""
    part = Part(check="bindings", where=environment.name)
    main = root / environment.main
    if not environment.main or not main.is_file():
        yield part.error(f"main = {environment.main!r} is no file", "Name the entry module: src/entry.py.")
        return
    found = [*_runtime(part, environment)]
    if is_gateway(environment):
        found += _names(part, environment)
        found += _objects(part, environment, main)
    found += _triggers(part, environment, main)
    yield from found
    if not any(finding.level.value == "error" for finding in found):
        yield part.ok(f"{len(environment.bindings)} bindings, as the code looks them up")


def check_apart(environments: list[Environment]) -> Iterator[Finding]:
    """Two environments on one bucket, dataset or counter disturb each other; a named consumer must be there."""
    seen: dict[tuple[str, str], str] = {}
    workers = {environment.worker for environment in environments}
    for environment in environments:
        part = Part(check="bindings", where=environment.name)
        for binding in environment.bindings:
            value = str(binding.table.get(_OWN.get(binding.kind, ""), ""))
            first = seen.setdefault((binding.kind, value), environment.name)
            if value and first != environment.name:
                yield part.error(
                    f"{binding.name} is {binding.kind} {value!r}, and so it is in {first}",
                    "Give each environment one of its own.",
                )
        consumers = environment.config.get("tail_consumers")
        for consumer in consumers if isinstance(consumers, list) else []:
            service = consumer.get("service") if isinstance(consumer, dict) else None
            if service not in workers:
                yield part.error(
                    f"tail_consumers names {service!r}, which no environment here deploys",
                    f"Name one of: {', '.join(sorted(workers))}.",
                )


def _names(part: Part, environment: Environment) -> Iterator[Finding]:
    wanted = code_reads.bindings()
    declared: dict[str, Binding] = {}
    for binding in environment.bindings:
        if binding.name in declared:
            yield part.error(f"{binding.name} is declared twice", "Keep one of them.")
        declared[binding.name] = binding
    for name, kind in wanted.items():
        there = declared.get(name)
        if there is None:
            needed = _is_needed(name, environment)
            if kind in _OPTIONAL and not needed:
                continue
            what = f"the code looks up {name} ({kind}), which is not declared: {_WITHOUT.get(kind, '')}"
            step = f"Declare it under {_section(environment, kind)}."
            yield (part.error if needed else part.warning)(what, step)
        elif there.kind != kind:
            yield part.error(
                f"{name} is declared as {there.kind}, and the code uses it as {kind}",
                f"Declare it under {_section(environment, kind)}.",
            )
    for name in declared.keys() - wanted.keys():
        if declared[name].kind == "secrets_store_secrets":
            continue  # a setting, which the check of the secrets looks at
        yield part.error(
            f"{name} ({declared[name].kind}) is declared, and nothing looks it up",
            f"Remove it, or call it what the code does: {', '.join(sorted(wanted))}.",
        )


def _is_needed(name: str, environment: Environment) -> bool:
    """Whether the settings ask for it: the gateway would not start, or would not count."""
    near = str(environment.variables.get("CACHE_NEAR_VECTORS", "")).lower()
    if name in ("VECTORS", "CACHE") and near in ("true", "1", "on", "yes", "t", "y"):
        return True
    return name == "METRICS_SHARD" and environment.variables.get("METRICS_VIA", "shard") == "shard"


def _objects(part: Part, environment: Environment, main: Path) -> Iterator[Finding]:
    exported = code_reads.exported_classes(main)
    migrated: set[str] = set()
    tags: set[str] = set()
    for migration in environment.migrations:
        tag = str(migration.get("tag", ""))
        if tag in tags:
            yield part.error(
                f"two migrations have the tag {tag!r}", "Give each a tag of its own; never change old ones."
            )
        tags.add(tag)
        migrated |= {*migration.get("new_sqlite_classes", []), *migration.get("new_classes", [])}
        for renamed in migration.get("renamed_classes", []):
            migrated = (migrated - {renamed.get("from")}) | {str(renamed.get("to"))}
        migrated -= set(migration.get("deleted_classes", []))
    bound = {
        str(binding.table.get("class_name", ""))
        for binding in environment.bindings
        if binding.kind == "durable_objects" and "script_name" not in binding.table
    }
    for name in sorted(bound):
        if not exported.get(name):
            yield part.error(
                f"a binding names the class {name!r}, which {environment.main} does not export as a Durable Object",
                f"Name one of: {', '.join(sorted(each for each, is_object in exported.items() if is_object))}.",
            )
        elif name not in migrated:
            yield part.error(
                f"no migration creates the class {name}, and the first deployment would fail",
                f'Add new_sqlite_classes = ["{name}"] under {_section(environment, "migrations")} with a new tag.',
            )
    for name in sorted(migrated - exported.keys()):
        yield part.error(
            f"a migration keeps the class {name}, which {environment.main} no longer exports",
            "Export it, or add a migration with deleted_classes.",
        )
    for name in sorted(each for each, is_object in exported.items() if is_object and each not in bound):
        yield part.warning(
            f"{environment.main} exports {name}, and no binding leads to it",
            f"Declare it under {_section(environment, 'durable_objects.bindings')}.",
        )


def _triggers(part: Part, environment: Environment, main: Path) -> Iterator[Finding]:
    handled = code_reads.handlers(main)
    if "scheduled" in handled and not environment.crons:
        yield part.warning(
            "there is no cron trigger: no heartbeat, and an idle service looks like a broken one",
            f'Set crons = ["* * * * *"] under {_section(environment, "triggers")}.',
        )
    if "scheduled" not in handled and environment.crons:
        yield part.error(
            f"there is a cron trigger, and {environment.main} handles none",
            f"Set triggers = {{ crons = [] }} in [env.{environment.name}].",
        )


def _runtime(part: Part, environment: Environment) -> Iterator[Finding]:
    date = str(environment.config.get("compatibility_date", ""))
    if date < FIRST_DATE:
        yield part.error(
            f"compatibility_date is {date or 'missing'}; Python 3.14 comes with {FIRST_DATE}",
            f'Set compatibility_date = "{FIRST_DATE}" or later.',
        )
    flags = environment.config.get("compatibility_flags") or []
    for flag, why in _FLAGS.items():
        if flag not in flags:
            yield part.error(
                f"the compatibility flag {flag} is missing: {why}", f"Add {flag!r} to compatibility_flags."
            )


def _section(environment: Environment, kind: str) -> str:
    """The heading in wrangler.toml."""
    path = kind if environment.is_development else f"env.{environment.name}.{kind}"
    single = kind in ("ai", "version_metadata", "triggers")
    return f"[{path}]" if single else f"[[{path}]]"
