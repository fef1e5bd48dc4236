"""`lumigate keys create|list|revoke|rotate`.

A key is printed once, alone on standard output, so that it can be piped into a store of secrets; whatever is for
reading goes to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.admin_client import AdminRefused
from local.argument_types import url
from local.dev_vars import read_dev_vars
from local.keys.holder import EmbeddedHolder, Holder, KeysFailed, RemoteHolder
from local.runtime.development import DEVELOPMENT_PEPPER
from lumigate.auth.settings import AuthSettings
from lumigate.errors import ConfigurationError

TOKEN_VARIABLE = "LUMIGATE_TOKEN"  # noqa: S105 - a variable's name
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,128}")
_ID = re.compile(r"[0-9A-Za-z]{12}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `lumigate keys`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    create = _action(actions, "create", "make a key and print it, once", _create)
    create.add_argument("--tenant", required=True, type=_tenant, help="whose it is")
    create.add_argument("--name", default="unnamed", type=_name, help="what it is for")
    create.add_argument(
        "--scope",
        action="append",
        default=[],
        type=_scope,
        metavar="SCOPE",
        help="what it may do; repeatable",
    )
    create.add_argument(
        "--expires",
        default=_duration("365d"),
        type=_duration,
        metavar="TIME",
        help="30m, 12h, 90d (default: 365d)",
    )

    _action(actions, "list", "list keys, without showing any", _list)

    revoke = _action(actions, "revoke", "end a key now", _revoke)
    revoke.add_argument("id", type=_id, help="as `list` shows it")

    rotate = _action(actions, "rotate", "make a key in another's place; both are good for a while", _rotate)
    rotate.add_argument("id", type=_id, help="as `list` shows it")
    rotate.add_argument(
        "--overlap",
        default=_duration("7d"),
        type=_duration,
        metavar="TIME",
        help="how long the old one stays good (default: 7d)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do it. 0: done; 1: it failed."""
    try:
        return asyncio.run(_run(arguments))
    except (AdminRefused, KeysFailed, ConfigurationError) as error:
        print(f"lumigate keys: {error}", file=sys.stderr)
        return 1


async def _run(arguments: argparse.Namespace) -> int:
    holder = _holder(arguments)
    try:
        await arguments.do(holder, arguments)
    finally:
        await holder.close()
    return 0


def _holder(arguments: argparse.Namespace) -> Holder:
    settings = {**read_dev_vars(Path.cwd()), **os.environ}
    if arguments.url is not None:
        token = arguments.token or settings.get(TOKEN_VARIABLE)
        if not token:
            raise KeysFailed(f"--url needs a token or key with the scope admin: --token, or {TOKEN_VARIABLE}")
        return RemoteHolder(arguments.url, token)
    # Read as the gateway reads it, so that a pepper which it would refuse makes no keys either.
    pepper = settings.get("API_KEY_PEPPER") or DEVELOPMENT_PEPPER
    read = AuthSettings.from_environ({"API_KEY_PEPPER": pepper})
    return EmbeddedHolder(arguments.data, [pepper.get_secret_value() for pepper in read.api_key_peppers])


async def _create(holder: Holder, arguments: argparse.Namespace) -> None:
    made = await holder.create(arguments.tenant, arguments.name, arguments.scope, arguments.expires)
    _print_secret(made, arguments)


async def _rotate(holder: Holder, arguments: argparse.Namespace) -> None:
    made = await holder.rotate(arguments.id, arguments.overlap)
    _print_secret(made, arguments)
    if not arguments.json:
        old = made["replaces"]
        print(f"{old['id']} stays good until {_time(old['expires_at'])}", file=sys.stderr)


async def _revoke(holder: Holder, arguments: argparse.Namespace) -> None:
    record = await holder.revoke(arguments.id)
    if arguments.json:
        print(json.dumps(record, ensure_ascii=False))
    else:
        print(f"{record['id']} is revoked; gateways that remember it let it in for a minute or two more")


async def _list(holder: Holder, arguments: argparse.Namespace) -> None:
    records = sorted(await holder.list(), key=lambda record: (record["tenant"], record["created_at"]))
    if arguments.json:
        print(json.dumps(records, ensure_ascii=False, indent=2))
        return
    head = ("id", "tenant", "name", "state", "expires", "scopes")
    rows = [
        (
            str(record["id"]),
            str(record["tenant"]),
            str(record["name"]),
            str(record["state"]),
            _time(record["expires_at"]),
            " ".join(record["scopes"]) or "-",
        )
        for record in records
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_secret(made: dict[str, Any], arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(json.dumps(made, ensure_ascii=False))
        return
    print(made["key"])
    scopes = " ".join(made["scopes"]) or "none"
    print(
        f"key {made['id']} of {made['tenant']}, scopes: {scopes}, good until {_time(made['expires_at'])}; "
        "it is not shown again",
        file=sys.stderr,
    )


def _action(
    actions: Any, name: str, summary: str, do: Callable[[Holder, argparse.Namespace], Awaitable[None]]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + "."
    )
    parser.set_defaults(do=do)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--data",
        type=Path,
        default=Path(".lumigate"),
        metavar="DIR",
        help="where `lumigate dev` keeps its data",
    )
    where.add_argument("--url", type=url, help="a gateway that is running, by its admin routes")
    parser.add_argument("--token", help=f"a token or key with the scope admin (or {TOKEN_VARIABLE})")
    parser.add_argument("--json", action="store_true", help="for machines")
    return parser


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _duration(text: str) -> int:
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in _UNITS or not 60 <= int(number) * _UNITS[unit] <= 3660 * 86_400:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 30m, 12h or 90d, from a minute to ten years"
        )
    return int(number) * _UNITS[unit]


def _tenant(text: str) -> str:
    return _plain(text, 96)


def _name(text: str) -> str:
    return _plain(text, 256)


def _plain(text: str, limit: int) -> str:
    plain = text.strip()
    if not 0 < len(plain) <= limit or not plain.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is not a text of 1 to {limit} characters")
    return plain


def _scope(text: str) -> str:
    if not _SCOPE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a scope: printable, without blanks and quotes")
    return text


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the id of a key (12 letters and digits)")
    return text
