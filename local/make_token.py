"""`lumigate token`: a token that a running `lumigate dev` accepts, or one that it must refuse."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from local.dev_vars import read_dev_vars
from local.mocks.issuer import AUDIENCE, DAY_SECONDS, ISSUER, SigningKey, TokenMint
from local.runtime.embedded import ISSUER_KEY_NAME

_FLAWS: Mapping[str, tuple[Callable[..., str], str]] = {
    "expired": (TokenMint.expired, "expired an hour ago"),
    "not-yet-valid": (TokenMint.not_yet_valid, "valid only in an hour"),
    "foreign-issuer": (TokenMint.foreign_issuer, "of another issuer"),
    "foreign-audience": (TokenMint.foreign_audience, "meant for another service"),
    "unknown-key": (TokenMint.unknown_key, "signed by a key that the key set does not hold"),
    "forged": (TokenMint.forged, "signed by another key under this one's id"),
    "unsigned": (TokenMint.unsigned, "with alg none"),
    "tampered": (TokenMint.tampered, "changed after it was signed"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `lumigate token`."""
    parser.add_argument("--sub", default="developer", help="the subject (default: %(default)s)")
    parser.add_argument("--tenant", default="acme", help="the tenant (default: %(default)s)")
    parser.add_argument(
        "--ttl",
        type=_seconds,
        default=DAY_SECONDS,
        metavar="SECONDS",
        help="how long it is valid (default: a day)",
    )
    parser.add_argument(
        "--claim",
        action="append",
        default=[],
        type=_claim,
        metavar="NAME=VALUE",
        help="one more claim; repeatable",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(".lumigate"),
        metavar="DIR",
        help="where `lumigate dev` keeps its key",
    )
    flaws = parser.add_argument_group("tokens that must be refused").add_mutually_exclusive_group()
    for name, (_, explanation) in _FLAWS.items():
        flaws.add_argument(f"--{name}", dest="flaw", action="store_const", const=name, help=explanation)


def run(arguments: argparse.Namespace) -> int:
    """Print the token."""
    path = arguments.data / ISSUER_KEY_NAME
    if not path.exists():
        print(
            f"lumigate token: there is no key in {arguments.data}; start `lumigate dev` there first,"
            " without --ephemeral, or name its folder with --data",
            file=sys.stderr,
        )
        return 1
    try:
        key = SigningKey.load(path)
    except (OSError, ValueError) as error:
        print(f"lumigate token: {path} cannot be read as a key: {error}", file=sys.stderr)
        return 1
    settings = {**read_dev_vars(Path.cwd()), **os.environ}
    mint = TokenMint(
        key,
        issuer=settings.get("JWT_ISSUER") or ISSUER,
        audience=settings.get("JWT_AUDIENCE") or AUDIENCE,
    )
    claims = {"sub": arguments.sub, "tenant": arguments.tenant, **dict(arguments.claim)}
    if arguments.flaw is None:
        print(mint.valid(ttl_seconds=arguments.ttl, **claims))
    else:
        make, _ = _FLAWS[arguments.flaw]
        print(make(mint, **claims))
    return 0


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 365 * DAY_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 1 to a year")
    return int(text)


def _claim(text: str) -> tuple[str, object]:
    """`NAME=VALUE`; the value is JSON where it can be, text elsewhere."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
