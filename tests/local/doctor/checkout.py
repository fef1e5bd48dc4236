"""A checkout to make mistakes in: the real wrangler.toml and entry modules, in a folder of the test's own."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.doctor.environments import Environment, read_environments
from local.toolchain import ROOT

FILES = ("wrangler.toml", "pyproject.toml", "package.json", "package-lock.json", "python_modules.lock")


def make_checkout(folder: Path) -> Path:
    """The files that the doctor reads, as they are in this repository."""
    for name in FILES:
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "src").mkdir()
    for path in (ROOT / "src").glob("*.py"):
        shutil.copyfile(path, folder / "src" / path.name)
    return folder


def change(root: Path, mutate: Callable[[dict[str, Any]], object]) -> None:
    """Let `mutate` change the parsed wrangler.toml, and write it back."""
    path = root / "wrangler.toml"
    document = tomllib.loads(path.read_text("utf-8"))
    mutate(document)
    path.write_text(
        "".join(f"{json.dumps(key)} = {_inline(value)}\n" for key, value in document.items()), "utf-8"
    )


def staging(root: Path, *lines: str, without: str = "") -> Environment:
    """Staging with `lines` added to its vars, and the var called `without` taken away."""

    def mutate(document: dict[str, Any]) -> None:
        variables = document["env"]["staging"]["vars"]
        variables |= tomllib.loads("\n".join(lines))
        if without:
            del variables[without]

    change(root, mutate)
    return environment(root, "staging")


def environment(root: Path, name: str) -> Environment:
    return next(each for each in read_environments(root) if each.name == name)


def _inline(value: Any) -> str:
    """TOML's inline form, which for text, numbers and booleans is JSON's."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
