"""`lumigate export`: print what is held of a subject, as one JSON object."""

from __future__ import annotations

import argparse
import json
from typing import Any

from local.subject_client import AdminRefused, complain, pages
from local.subject_client import add_arguments as add_subject


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `lumigate export`."""
    add_subject(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print it all, whichever number of pages it took."""
    whole: dict[str, Any] = {}
    try:
        for page in pages("GET", arguments):
            if whole:
                whole["sessions"] += page["sessions"]
            else:
                whole = {name: value for name, value in page.items() if name != "cursor"}
    except AdminRefused as error:
        return complain("export", error)
    print(json.dumps(whole, indent=2, ensure_ascii=False))
    return 0
