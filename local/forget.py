"""`lumigate forget`: remove what is held of a subject, and say what that was."""

from __future__ import annotations

import argparse
import json
from collections import Counter

from local.subject_client import AdminRefused, complain, pages
from local.subject_client import add_arguments as add_subject

_MOST_CALLS = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `lumigate forget`."""
    add_subject(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Ask until nothing is left; print what was removed."""
    removed: Counter[str] = Counter()
    more = True
    try:
        for _, page in zip(range(_MOST_CALLS), pages("DELETE", arguments), strict=False):
            before = removed.total()
            removed.update(page["removed"])
            more = page["more"]
            if more and removed.total() == before:
                raise AdminRefused("something of the subject cannot be removed right now; try again later")
    except AdminRefused as error:
        if removed:
            print(_told(arguments, removed))
        return complain("forget", error)
    print(_told(arguments, removed))
    return 0


def _told(arguments: argparse.Namespace, removed: Counter[str]) -> str:
    if arguments.json:
        return json.dumps({"tenant": arguments.tenant, "subject": arguments.subject, "removed": removed})
    width = max((len(str(count)) for count in removed.values()), default=1)
    lines = [f"  {count:>{width}}  {what.replace('_', ' ')}" for what, count in removed.items()]
    return "\n".join([f"removed of {arguments.subject} (tenant {arguments.tenant}):", *lines])
