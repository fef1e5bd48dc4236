"""`lumigate preview`: the bundle as a Worker of its own, for a pull request, with a key for the black-box suite.

A Worker with Durable Objects has no preview URLs, so a preview is not a version of staging but a Worker beside it, with
staging's configuration and a name of its own: https://developers.cloudflare.com/workers/configuration/previews/
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local.doctor import code_reads
from local.rollout.arguments import add_bundle
from local.rollout.deployments import read_events
from local.toolchain import ROOT
from local.wrangler import Wrangler, find_wrangler, last_words, why_no_wrangler

TOKEN: Final = "LUMIGATE_TOKEN"  # noqa: S105 - the name of the variable, not what is in it
TENANT: Final = "preview"
ENVIRONMENT: Final = "staging"
_OUTPUT: Final = "WRANGLER_OUTPUT_FILE_PATH"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    deploy = actions.add_parser(
        "deploy", help=f"needs {TOKEN}, the key that callers of the preview will show"
    )
    delete = actions.add_parser("delete", help="remove it with all that it holds")
    for action in (deploy, delete):
        action.add_argument("--number", type=_number, required=True, metavar="N", help="of the pull request")
        action.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        add_bundle(action)


def run(arguments: argparse.Namespace) -> int:
    """0 done, 1 it failed, 2 something is missing. The address is the only line on the standard output."""
    name = f"lumigate-preview-{arguments.number}"
    place = ["--cwd", str(arguments.bundle), "--env", ENVIRONMENT, "--name", name]
    if arguments.dry_run:
        words = ["deploy", "--var", "ENVIRONMENT:preview", "--secrets-file", "FILE"]
        print(
            "wrangler "
            + " ".join([*(words if arguments.action == "deploy" else ["delete", "--force"]), *place])
        )
        return 0
    wrangler = find_wrangler(ROOT)
    if wrangler is None:
        return _fail("; ".join(why_no_wrangler(ROOT)), 2)
    if not (arguments.bundle / "wrangler.toml").is_file():
        return _fail(f"there is no bundle in {arguments.bundle}; run `lumigate bundle`", 2)
    if arguments.action == "delete":
        code, out, err = wrangler.ask(["delete", "--force", *place])
        return 0 if code == 0 else _fail(last_words(err or out), 1)
    if not os.environ.get(TOKEN):
        return _fail(f"set {TOKEN} to the key that callers of the preview will show", 2)
    return _deploy(wrangler, place)


def secrets_for_preview(environ: Mapping[str, str]) -> dict[str, str]:
    """The secrets that the process was given, and the digest of the key in `LUMIGATE_TOKEN`."""
    given = {
        name: environ[name]
        for name in code_reads.settings()
        if code_reads.is_secret(name) and environ.get(name)
    }
    digest = hashlib.sha256(environ[TOKEN].encode()).hexdigest()
    return {**given, "API_KEYS": f"{TENANT}:{digest}"}


def _deploy(wrangler: Wrangler, place: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="lumigate-preview-") as folder:
        secrets, events = Path(folder) / "secrets.json", Path(folder) / "wrangler.ndjson"
        secrets.touch(mode=0o600)
        secrets.write_text(json.dumps(secrets_for_preview(os.environ)), encoding="utf-8")
        arguments = ["deploy", "--var", "ENVIRONMENT:preview", "--secrets-file", str(secrets), *place]
        code, out, err = wrangler.run(arguments, {_OUTPUT: str(events)})
        if code != 0:
            return _fail(last_words(err or out), 1)
        found = [event for event in read_events(events) if event.get("type") == "deploy"]
    targets = found[-1].get("targets") if found else None
    address = next(
        (one for one in targets or [] if isinstance(one, str) and one.startswith("https://")), None
    )
    if address is None:
        return _fail("wrangler ended well, and named no address; is workers_dev on for staging?", 1)
    print(address)
    return 0


def _fail(reason: str, code: int) -> int:
    print(f"lumigate preview: {reason}", file=sys.stderr)
    return code


def _number(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a pull request")
    return int(text)
