"""What cannot be done in shares: the first deployment, and one that brings a Durable Object migration.

Both are `wrangler deploy`: all traffic at once. The first is harmless, for there is nobody to protect and nothing to go
back to. A migration is final: Cloudflare deploys no version from before it again
(https://developers.cloudflare.com/workers/versions-and-deployments/rollbacks/), so it is done only when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from local.rollout.conduct import Conductor, Outcome, Pace
from local.rollout.split import Split

WHY_NOT: Final = (
    "the bundle brings a Durable Object migration. Cloudflare gives such a version all of the traffic or none, and "
    "deploys no version from before it again. Nothing was changed. If that is what you want"
)


class Bringer(Protocol):
    """What is needed of `Deployments`."""

    def deploy(self, *, tag: str, message: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AtOnce:
    """How it ended, and for which version."""

    outcome: Outcome
    version: str


def first(deployments: Bringer, conductor: Conductor, *, tag: str, message: str) -> AtOnce:
    """Raises `WranglerFailed`; then there still is no Worker."""
    conductor.say(
        "nothing is deployed here yet: no traffic to share, no version to go back to, so all at once"
    )
    version = deployments.deploy(tag=tag, message=message)
    conductor.say(f"done: {version} is deployed; put its secrets, then run the black-box suite against it")
    return AtOnce(outcome=Outcome.DONE, version=version)


def migrate(
    deployments: Bringer, conductor: Conductor, pace: Pace, *, stable: str, tag: str, message: str
) -> AtOnce:
    """Deploy where the gate is open, and watch. Raises `WranglerFailed`, of a deployment that was refused."""
    if refusal := conductor.refusal(pace):
        conductor.say(f"refused: {refusal}; nothing was changed")
        return AtOnce(outcome=Outcome.REFUSED, version="")
    conductor.settle()  # no signal may leave half of it
    conductor.say("a Durable Object migration: all traffic at once, and no way back")
    version = deployments.deploy(tag=tag, message=message)
    conductor.say(f"{version} has all traffic")
    if reason := conductor.watch(Split(candidate=version, stable=stable, percent=100.0), pace):
        conductor.say(
            f"STUCK: {reason}. No version from before a migration can be deployed again: fix forward"
        )
        return AtOnce(outcome=Outcome.STUCK, version=version)
    conductor.say(f"done: {version} has all traffic")
    return AtOnce(outcome=Outcome.DONE, version=version)
