"""`lumigate cache stats|purge`: of a gateway (`--url`, by its admin routes), or of the store of an embedded one.

A purge of the store alone is seen by a gateway that runs on it within twice `CACHE_PURGE_SEEN_SECONDS`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import argument_types
from local.admin_client import AdminClient, AdminRefused
from local.runtime.blobs import SqliteBlobs
from local.runtime.clock import AnchoredClock
from local.runtime.key_value import SqliteKeyValue
from local.runtime.ports import DATABASE_NAME
from local.runtime.region import blobs_path
from local.runtime.sqlite import Database
from lumigate.cache.key import SHARED, namespace_of, store_prefix
from lumigate.cache.purge import Target, erase_stores, purge_stores, target_of
from lumigate.region import EU

_LIFETIME_SECONDS = 31 * 86_400
_TABLES = (("l2", "key_value"), ("l3", "blobs"))


class CacheCommandFailed(Exception):
    """The message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Store:
    """Of an embedded runtime, what keeps entries."""

    key_value: SqliteKeyValue | None
    blobs: SqliteBlobs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="stats|purge")
    stats = commands.add_parser("stats", help="how much is there")
    purge = commands.add_parser("purge", help="take answers out before their time")
    for command in (stats, purge):
        where = command.add_argument_group("where").add_mutually_exclusive_group()
        where.add_argument(
            "--data",
            type=Path,
            default=Path(".lumigate"),
            metavar="DIR",
            help="the folder of an embedded gateway (default: %(default)s)",
        )
        where.add_argument(
            "--url", type=argument_types.url, help="a running gateway, asked by its admin routes"
        )
        command.add_argument(
            "--token", default=os.environ.get("LUMIGATE_TOKEN"), help="a token with the scope admin"
        )
        command.add_argument("--json", action="store_true", help="print an object")
        whose = command.add_mutually_exclusive_group(required=command is purge)
        whose.add_argument("--tenant", help="of this tenant")
        whose.add_argument("--shared", action="store_true", help="of routes that all tenants share")
        if command is purge:
            whose.add_argument("--everyone", action="store_true", help="of all tenants")
    what = purge.add_mutually_exclusive_group()
    what.add_argument("--key", type=_key, help="one answer: the x-lumigate-cache-key of its header")
    what.add_argument("--model", help="a name of the routing table, or a model behind one")
    what.add_argument("--tag", help="what was sent as x-lumigate-cache-tag")
    what.add_argument(
        "--erase", action="store_true", help="all, and delete it at rest, until nothing is left"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what there is, or what was purged."""
    try:
        told = _of_gateway(arguments) if arguments.url else asyncio.run(_of_store(arguments))
    except (CacheCommandFailed, AdminRefused) as error:
        print(f"lumigate cache: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(told))
    else:
        _print(told)
    return 0


# --- a gateway ------------------------------------------------------------------------------------------------------


def _of_gateway(arguments: argparse.Namespace) -> dict[str, Any]:
    with AdminClient.of(arguments) as client:
        if arguments.action == "stats":
            query = {"tenant": arguments.tenant} if arguments.tenant else {}
            return client.ask(
                "GET", "/admin/cache", query=query | ({"shared": "1"} if arguments.shared else {})
            )
        body = {
            name: value
            for name in ("tenant", "shared", "everyone", "key", "model", "tag", "erase")
            if (value := getattr(arguments, name))
        }
        told = client.ask("POST", "/admin/cache/purge", body=body)
        while told.get("more"):
            again = client.ask("POST", "/admin/cache/purge", body=body)
            told |= {"erased": told["erased"] + again["erased"], "more": again["more"]}
        return told


# --- a store --------------------------------------------------------------------------------------------------------


async def _of_store(arguments: argparse.Namespace) -> dict[str, Any]:
    path = arguments.data / DATABASE_NAME
    if not path.exists():
        raise CacheCommandFailed(
            f"there is no store in {arguments.data}; name its folder with --data, or a --url"
        )
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(Database(path))
        clock = AnchoredClock()
        if arguments.action == "stats":
            return _counted(database, clock.now_ns(), _namespace(arguments))
        stores = [_Store(key_value=SqliteKeyValue(database, clock), blobs=SqliteBlobs(database, clock))]
        if (region := blobs_path(arguments.data / EU)).exists():
            blobs = SqliteBlobs(stack.enter_context(Database(region)), clock)
            stores.append(_Store(key_value=None, blobs=blobs))
        target: Target = target_of(
            namespace=_namespace(arguments), key=arguments.key, model=arguments.model, tag=arguments.tag
        )
        for store in stores:
            await purge_stores(store, target, now_ns=time.time_ns(), lifetime_seconds=_LIFETIME_SECONDS)
        told: dict[str, Any] = {"object": "cache.purge", "kind": target.told_as}
        if arguments.erase:
            if target.namespace is None:
                raise CacheCommandFailed("--erase is for one tenant, or what is shared")
            told["erased"] = 0
            for store in stores:
                more = True
                while more:
                    erased, more = await erase_stores(store, target.namespace)
                    told["erased"] += erased
        return told


def _counted(database: Database, now_ns: int, namespace: str | None) -> dict[str, Any]:
    prefix = "cache/" if namespace is None else store_prefix(namespace)
    told: dict[str, Any] = {"object": "cache.stats"}
    for tier, table in _TABLES:
        alive = "AND expires_ns > ?" if table == "key_value" else ""
        statement = (
            f"SELECT count(*), coalesce(sum(length(value)), 0) FROM {table} "  # noqa: S608 - names of ours
            f"WHERE key >= ? AND key < ? {alive}"
        )
        bounds = (prefix, prefix + "\U0010ffff", *((now_ns,) if alive else ()))
        ((entries, size),) = database.read(statement, bounds)
        told[tier] = {"entries": entries, "bytes": size}
    return told


def _namespace(arguments: argparse.Namespace) -> str | None:
    if arguments.shared:
        return SHARED
    return None if arguments.tenant is None else namespace_of(arguments.tenant, shared=False)


def _key(text: str) -> str:
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is not 64 hex digits")
    return text


def _print(told: dict[str, Any]) -> None:
    rows = [(name, value) for name, value in told.items() if name != "object"]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        shown = (
            "  ".join(
                f"{part} {amount:,}" if isinstance(amount, int) else f"{part} {amount}"
                for part, amount in value.items()
            )
            if isinstance(value, dict)
            else f"{value:,}"
            if type(value) in (int, float)
            else str(value)
        )
        print(f"{name:<{width}}  {shown}")
