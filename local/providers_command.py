"""`lumigate providers list|avoid|restore`: route traffic away from a provider of a running gateway, and back.

Every isolate follows within what the answer says; nothing is deployed.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Any

from local.admin_client import AdminClient, AdminRefused, add_gateway_arguments

_LONGEST_MINUTES = 24 * 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|avoid|restore")
    listing = actions.add_parser("list", help="who is avoided, and how their breakers stand")
    avoid = actions.add_parser("avoid", help="ask a provider only where nobody else can answer")
    restore = actions.add_parser("restore", help="take that back")
    for action in (avoid, restore):
        action.add_argument("provider", help="as MODELS names it")
    avoid.add_argument(
        "--minutes", type=_minutes, default=30, metavar="N", help="for so long (default: %(default)s)"
    )
    for action in (listing, avoid, restore):
        add_gateway_arguments(action)
        action.add_argument("--json", action="store_true", help="print the answer as JSON")


def run(arguments: argparse.Namespace) -> int:
    """0: done; 1: the gateway refused, or is not there."""
    try:
        with AdminClient.of(arguments) as client:
            answer = _ask(client, arguments)
    except AdminRefused as error:
        print(f"lumigate providers: {error}", file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2) if arguments.json else _as_text(answer))
    return 0


def _ask(client: AdminClient, arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.action == "list":
        return client.ask("GET", "/admin/providers")
    seconds = arguments.minutes * 60 if arguments.action == "avoid" else 0
    return client.ask(
        "POST", "/admin/providers", body={"provider": arguments.provider, "avoid_seconds": seconds}
    )


def _as_text(answer: dict[str, Any]) -> str:
    lines = [f"{'provider':<16}{'avoided until':<22}breaker (of the isolate that answered)"]
    for entry in answer["data"]:
        until = entry["avoided_until"]
        moment = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if until else "-"
        lines.append(f"{entry['provider']:<16}{moment:<22}{entry['breaker']}")
    if "effective_within_seconds" in answer:
        lines.append(f"holds everywhere within {answer['effective_within_seconds']} s")
    return "\n".join(lines)


def _minutes(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _LONGEST_MINUTES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes, 1 to {_LONGEST_MINUTES}")
    return int(text)
