"""Stands in for wrangler 4 in another process: answers in its shapes, keeps what was said to it.

The shapes are those of wrangler 4.155: `deployments status --json` prints the API's latest deployment; `versions
upload`, `versions deploy` and `deploy` write JSON lines to WRANGLER_OUTPUT_FILE_PATH and print prose.
What it says of a Worker that is not there and of a pending migration is what the real one said before a stand-in API.
State lies in the folder FAKE_WRANGLER: `state.json` (versions in force, message, whether a migration is pending),
`calls.jsonl`, and `faults.json`, a list of [command, from-nth-call, to-nth-call].
"""

# ruff: noqa: T201 (it prints, as wrangler does)
from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("FAKE_WRANGLER", "."))
NEW = "22222222-2222-2222-2222-222222222222"


def main(arguments: list[str]) -> int:
    command = " ".join(word for word in arguments[:2] if not word.startswith("-"))
    command = "deploy" if arguments[0] == "deploy" else command
    calls = FOLDER / "calls.jsonl"
    earlier = [json.loads(line) for line in calls.read_text("utf-8").splitlines()] if calls.exists() else []
    with calls.open("a", encoding="utf-8") as file:
        file.write(json.dumps(arguments) + "\n")
    report(
        {
            "type": "wrangler-session",
            "version": 1,
            "wrangler_version": "4.155.0",
            "command_line_args": arguments,
        }
    )
    nth = 1 + sum(" ".join(call[:2]) == command for call in earlier)
    for name, first, last in json.loads((FOLDER / "faults.json").read_text("utf-8")):
        if name == command and first <= nth <= last:
            return fail("the API is not well")
    return COMMANDS[command](arguments)


def fail(message: str, code: int | None = None) -> int:
    told: dict[str, Any] = {"type": "command-failed", "version": 1, "message": message}
    report(told if code is None else {**told, "code": code})
    print(f"\x1b[31m✘ \x1b[41;31m[\x1b[41;97mERROR\x1b[41;31m]\x1b[0m {message}", file=sys.stderr)
    return 1


def status(arguments: list[str]) -> int:
    assert "--json" in arguments
    state = read()
    if not state["shares"]:
        where = "/accounts/a/workers/scripts/lumigate-production/deployments"
        return fail(f"A request to the Cloudflare API ({where}) failed.", 10007)
    print(
        json.dumps(
            {
                "id": "9b1b0a3e-0000-0000-0000-000000000000",
                "source": "wrangler",
                "strategy": "percentage",
                "author_email": "ci@example.com",
                "created_on": "2026-11-21T10:00:00.000000Z",
                "annotations": {"workers/triggered_by": "deployment", "workers/message": state["message"]},
                "versions": [
                    {"version_id": name, "percentage": share} for name, share in state["shares"].items()
                ],
            },
            indent=2,
        )
    )
    return 0


def upload(arguments: list[str]) -> int:
    if read().get("migration"):
        return fail(
            "This Worker has a pending Durable Object migration, which cannot be applied by "
            "`wrangler versions upload`. Durable Object migrations must be applied with `wrangler deploy`. Run "
            "`wrangler deploy` to apply the migration, then retry `wrangler versions upload`."
        )
    print("⛅️ wrangler 4.155.0\n───────────────────\nWorker Version ID: " + NEW)
    report({"type": "version-upload", "version": 1, "worker_name": "lumigate-production", "version_id": NEW})
    return 0


def deploy_versions(arguments: list[str]) -> int:
    specs = [word.removesuffix("%").split("@") for word in arguments[2:] if "@" in word]
    shares = {name: float(share) for name, share in specs}
    assert sum(shares.values()) == 100
    assert "--yes" in arguments
    write({"shares": shares, "message": arguments[arguments.index("--message") + 1]})
    print("🎉 SUCCESS  Deployed lumigate-production")
    report(
        {"type": "version-deploy", "version": 1, "worker_name": "lumigate-production", "version_traffic": {}}
    )
    return 0


def triggers(arguments: list[str]) -> int:
    print("Deployed lumigate-production triggers")
    return 0


def deploy(arguments: list[str]) -> int:
    if "--name" not in arguments:
        write({"shares": {NEW: 100.0}, "message": "", "migration": False})
        report({"type": "deploy", "version": 1, "worker_name": "lumigate-production", "version_id": NEW})
        return 0
    name = arguments[arguments.index("--name") + 1]
    secrets = Path(arguments[arguments.index("--secrets-file") + 1])
    (FOLDER / "secrets.json").write_text(secrets.read_text("utf-8"), "utf-8")
    (FOLDER / "mode").write_text(oct(secrets.stat().st_mode & 0o777), "utf-8")
    report(
        {
            "type": "deploy",
            "version": 1,
            "worker_name": name,
            "version_id": NEW,
            "targets": [f"https://{name}.example.workers.dev"],
        }
    )
    return 0


def delete(arguments: list[str]) -> int:
    assert "--force" in arguments
    return 0


def read() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "state.json").read_text("utf-8"))
    return found


def write(state: dict[str, Any]) -> None:
    (FOLDER / "state.json").write_text(json.dumps(state), "utf-8")


def report(event: dict[str, Any]) -> None:
    if path := os.environ.get("WRANGLER_OUTPUT_FILE_PATH"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")


COMMANDS = {
    "deployments status": status,
    "versions upload": upload,
    "versions deploy": deploy_versions,
    "triggers deploy": triggers,
    "deploy": deploy,
    "delete": delete,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
