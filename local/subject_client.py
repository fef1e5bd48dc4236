"""What is held of a subject, asked of a running gateway over its admin route: for `lumigate forget` and `export`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from local.argument_types import url
from local.mocks.issuer import AUDIENCE, ISSUER, SigningKey, TokenMint
from local.runtime.embedded import ISSUER_KEY_NAME

DEFAULT_URL = "http://127.0.0.1:8787"
TIMEOUT_SECONDS = 120.0


class AdminRefused(Exception):
    """The gateway did not do what it was asked; the message says why, in one line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Who, where, and by what right."""
    parser.add_argument("subject", metavar="SUBJECT", help="the subject, as tokens name it; a key is key:ID")
    parser.add_argument("--tenant", required=True, help="the tenant that the subject belongs to")
    parser.add_argument("--url", type=url, default=DEFAULT_URL, help="the gateway (default: %(default)s)")
    parser.add_argument(
        "--token",
        default=os.environ.get("LUMIGATE_TOKEN"),
        help="a token or key with the scope admin (default: LUMIGATE_TOKEN, or one for `lumigate dev`)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(".lumigate"),
        metavar="DIR",
        help="where `lumigate dev` keeps its key (default: %(default)s)",
    )


def pages(method: str, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The answers of the admin route until it says that there is no more. Raises `AdminRefused`."""
    import httpx

    path = f"{arguments.url.rstrip('/')}/admin/subjects/{quote(arguments.subject, safe='')}"
    headers = {"authorization": f"Bearer {_token(arguments)}"}
    parameters = {"tenant": arguments.tenant}
    with httpx.Client(timeout=TIMEOUT_SECONDS, headers=headers) as client:
        while True:
            try:
                answer = client.request(method, path, params=parameters)
                content = answer.json()
            except (httpx.HTTPError, ValueError) as error:
                raise AdminRefused(f"{arguments.url} does not answer as a gateway: {error}") from None
            if answer.status_code != 200:
                message = content.get("error", {}).get("message", "") if isinstance(content, dict) else ""
                raise AdminRefused(f"{arguments.url} answered {answer.status_code}: {message}")
            yield content
            if content.get("cursor"):
                parameters["cursor"] = content["cursor"]
            elif not content.get("more"):
                return


def complain(command: str, error: AdminRefused) -> int:
    print(f"lumigate {command}: {error}", file=sys.stderr)
    return 1


def _token(arguments: argparse.Namespace) -> str:
    if arguments.token:
        return str(arguments.token)
    path = arguments.data / ISSUER_KEY_NAME
    try:
        key = SigningKey.load(path)
    except (OSError, ValueError):
        raise AdminRefused(
            f"there is no token, and no key in {arguments.data}; give --token or set LUMIGATE_TOKEN"
        ) from None
    mint = TokenMint(key, issuer=ISSUER, audience=AUDIENCE)
    return mint.valid(sub="operator", tenant="operators", scope="admin")
