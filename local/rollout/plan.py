"""`--dry-run`: what would be run, with stand-ins for what only Cloudflare knows."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence

from local.rollout.split import Split


def plan(arguments: argparse.Namespace) -> Iterator[str]:
    """Line by line."""
    old, new = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"

    def call(words: Sequence[str]) -> str:
        return "wrangler " + shlex.join([*words, "--cwd", str(arguments.bundle), "--env", arguments.env])

    yield f"what would be run; {old[-4:]} stands for the version in force, {new[-4:]} for the new one"
    yield call(["deployments", "status", "--json"])
    if arguments.action == "abort":
        yield call(_deploy(Split(candidate=new, stable=old, percent=0.0)))
        return
    if arguments.action == "start":
        yield call(["versions", "upload", "--strict"])
        yield "  if nothing is deployed yet" + (
            ", or the version brings a Durable Object migration" if arguments.migrate else ""
        )
        yield f"    {call(['deploy', '--strict'])}"
        yield "  otherwise"
    for percent in arguments.steps:
        yield call(_deploy(Split(candidate=new, stable=old, percent=percent)))
        yield f"  then read the gates every {arguments.check:g} s for {arguments.soak:g} s"
    yield call(["triggers", "deploy"])


def _deploy(split: Split) -> list[str]:
    return ["versions", "deploy", *split.specs, "--message", split.message, "--yes"]
