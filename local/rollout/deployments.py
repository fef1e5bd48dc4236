"""What Cloudflare is asked and told, through wrangler: versions, their shares, triggers.

Wrangler writes what it did as JSON lines into the file that WRANGLER_OUTPUT_FILE_PATH names; what it prints is for
people, and is not read.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local.rollout.split import Split
from local.wrangler import Wrangler, last_words

_OUTPUT: Final = "WRANGLER_OUTPUT_FILE_PATH"


class WranglerFailed(Exception):
    """Wrangler did not do what it was asked; the message is its own, in a line."""


class NeverDeployed(WranglerFailed):
    """There is no such Worker yet, or none of its versions was ever deployed."""


class MigrationPending(WranglerFailed):
    """The bundle brings a Durable Object migration, which no gradual deployment can carry."""


_NOT_FOUND: Final = (10007, 10090)
"""The API's codes for a Worker that is not there, as wrangler 4.155 reads them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The latest deployment: versions and their shares in percent, and the rollout it is part of, if it is."""

    shares: Mapping[str, float]
    rollout: Split | None

    @property
    def alone(self) -> str | None:
        """The version that has all traffic."""
        return next((version for version, share in self.shares.items() if share >= 100), None)

    def __str__(self) -> str:
        return ", ".join(f"{version} at {share:g}%" for version, share in self.shares.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployments:
    """Of one environment. `folder` is the bundle: wrangler takes configuration and code from there."""

    wrangler: Wrangler
    folder: Path
    environment: str
    say: Callable[[str], None]

    def in_force(self) -> InForce:
        """Raises `WranglerFailed`, and of it `NeverDeployed`."""
        output = self._run(["deployments", "status", "--json"])
        try:
            content = json.loads(output)
            shares = {str(one["version_id"]): float(one["percentage"]) for one in content["versions"]}
            message = str((content.get("annotations") or {}).get("workers/message") or "")
        except (ValueError, TypeError, KeyError, AttributeError):
            raise WranglerFailed("`wrangler deployments status --json` did not answer as expected") from None
        return InForce(shares=shares, rollout=Split.of_message(message))

    def upload(self, *, tag: str, message: str) -> str:
        """Upload the bundle as a version that gets no traffic yet, and return its id. Raises `MigrationPending`."""
        return self._bring(["versions", "upload"], "version-upload", tag, message)

    def deploy(self, *, tag: str, message: str) -> str:
        """Give the bundle all traffic at once, migrations, routes and triggers applied; the version's id."""
        return self._bring(["deploy"], "deploy", tag, message)

    def _bring(self, command: list[str], kind: str, tag: str, message: str) -> str:
        arguments = [*command, "--strict"]
        arguments += ["--tag", tag] if tag else []
        arguments += ["--message", message] if message else []
        version = self._event(arguments, kind).get("version_id")
        if not isinstance(version, str) or not version:
            raise WranglerFailed(
                "the upload was called off: something was changed in the dashboard since the last one"
            )
        return version

    def split(self, split: Split) -> None:
        """Give each version its share. Raises `WranglerFailed`."""
        self._event(
            ["versions", "deploy", *split.specs, "--message", split.message, "--yes"], "version-deploy"
        )

    def apply_triggers(self) -> None:
        """Cron triggers and routes are no part of a version: they are applied when the new one has all traffic."""
        self._run(["triggers", "deploy"])

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The arguments whole, as wrangler gets them."""
        return [*arguments, "--cwd", str(self.folder), "--env", self.environment]

    def _event(self, arguments: Sequence[str], kind: str) -> dict[str, Any]:
        _, events = self._call(arguments)
        found = [event for event in events if event.get("type") == kind]
        if not found:
            raise WranglerFailed(f"wrangler ended well, and did not report a {kind}")
        return found[-1]

    def _run(self, arguments: Sequence[str]) -> str:
        return self._call(arguments)[0]

    def _call(self, arguments: Sequence[str]) -> tuple[str, list[dict[str, Any]]]:
        whole = self.command(arguments)
        self.say(f"wrangler {' '.join(whole)}")
        with tempfile.TemporaryDirectory(prefix="lumigate-rollout-") as folder:
            path = Path(folder) / "wrangler.ndjson"
            code, out, err = self.wrangler.run(whole, {_OUTPUT: str(path)})
            events = read_events(path)
        if code != 0:
            name = " ".join(word for word in arguments[:2] if not word.startswith("-"))
            raise _failure(events)(f"`wrangler {name}` failed: {last_words(err or out)}")
        return out, events


def _failure(events: Sequence[Mapping[str, Any]]) -> type[WranglerFailed]:
    """What a failed command was about. Wrangler looks for a migration before it uploads anything."""
    nothing: Mapping[str, Any] = {}
    told = next((event for event in reversed(events) if event.get("type") == "command-failed"), nothing)
    message = str(told.get("message") or "")
    if "pending Durable Object migration" in message:
        return MigrationPending
    if told.get("code") in _NOT_FOUND or "has no deployments" in message or "does not yet exist" in message:
        return NeverDeployed
    return WranglerFailed


def read_events(path: Path) -> list[dict[str, Any]]:
    """The JSON lines that wrangler wrote; what is no object is passed over."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            found.append(event)
    return found
