"""What is held of a subject, asked of a running gateway over its admin route: for `lumigate forget` and `export`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from local.admin_client import AdminClient, AdminRefused, add_gateway_arguments

__all__ = ["AdminRefused", "add_arguments", "complain", "pages"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Who, where, and by what right."""
    parser.add_argument("subject", metavar="SUBJECT", help="the subject, as tokens name it; a key is key:ID")
    parser.add_argument("--tenant", required=True, help="the tenant that the subject belongs to")
    add_gateway_arguments(parser)


def pages(method: str, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The answers of the admin route until it says that there is no more. Raises `AdminRefused`."""
    path = f"/admin/subjects/{quote(arguments.subject, safe='')}"
    query = {"tenant": arguments.tenant}
    with AdminClient.of(arguments) as client:
        while True:
            content = client.ask(method, path, query=query)
            yield content
            if content.get("cursor"):
                query["cursor"] = content["cursor"]
            elif not content.get("more"):
                return


def complain(command: str, error: AdminRefused) -> int:
    print(f"lumigate {command}: {error}", file=sys.stderr)
    return 1
