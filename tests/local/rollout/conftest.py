from __future__ import annotations

import json
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.wrangler import COMMAND
from tests.local.rollout.fake_wrangler import NEW

OLD = "11111111-1111-1111-1111-111111111111"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloudflare:
    """What the stand-in for wrangler holds, seen from the test."""

    folder: Path

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def shares(self) -> dict[str, float]:
        state = json.loads((self.folder / "state.json").read_text("utf-8"))
        found: dict[str, float] = state["shares"]
        return found

    @property
    def calls(self) -> list[list[str]]:
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    def splits(self) -> list[list[str]]:
        """The shares of each deployment that was asked for, in order."""
        return [
            [word for word in call if "@" in word]
            for call in self.calls
            if call[:2] == ["versions", "deploy"]
        ]

    def has(self, shares: dict[str, float], message: str = "", *, migration: bool = False) -> None:
        """No shares: there is no such Worker. `migration`: the bundle brings one."""
        state = {"shares": shares, "message": message, "migration": migration}
        (self.folder / "state.json").write_text(json.dumps(state), "utf-8")

    def fails(self, command: str, first: int = 1, last: int = 10**9) -> None:
        """From the `first` call of that command to the `last`."""
        path = self.folder / "faults.json"
        path.write_text(json.dumps([*json.loads(path.read_text("utf-8")), [command, first, last]]), "utf-8")


@pytest.fixture
def cloudflare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloudflare:
    """A Worker with one version in force, and a bundle to bring there."""
    script = Path(__file__).with_name("fake_wrangler.py")
    executable = tmp_path / "wrangler"
    executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n', "utf-8")
    executable.chmod(executable.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv(COMMAND, str(executable))
    monkeypatch.setenv("FAKE_WRANGLER", str(tmp_path))
    one = Cloudflare(folder=tmp_path)
    one.bundle.mkdir()
    (one.bundle / "wrangler.toml").write_text("", "utf-8")
    (tmp_path / "faults.json").write_text("[]", "utf-8")
    one.has({OLD: 100.0})
    return one


def under_way(percent: float) -> tuple[dict[str, float], str]:
    """What Cloudflare holds in the middle of a rollout."""
    return {NEW: percent, OLD: 100 - percent}, f"lumigate rollout: {NEW} at {percent:g}%, from {OLD}"
