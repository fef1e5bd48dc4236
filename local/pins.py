"""What `pyproject.toml` pins for the Worker: one table, read whole, refused when malformed."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from local.bundle_limits import Limits
from local.wheels import Platform


class SettingsMalformed(Exception):
    """`[tool.lumigate.bundle]` lacks a setting or has one of the wrong type; the message names it."""

    def __init__(self, path: Path, name: str, expected: str) -> None:
        super().__init__(f"{path}: [tool.lumigate.bundle] {name} must be {expected}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """Packages, platform, what is left out of them, the limits, and the Node to fetch."""

    packages: tuple[str, ...]
    wheels: Platform
    unused: Mapping[str, str]
    limits: Limits
    node: str

    @classmethod
    def read(cls, root: Path) -> Self:
        """Read `root/pyproject.toml`. Raises `SettingsMalformed`."""
        path = root / "pyproject.toml"
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        table = document.get("tool", {}).get("lumigate", {}).get("bundle", {})

        def text(name: str) -> str:
            value = table.get(name)
            if not isinstance(value, str) or not value:
                raise SettingsMalformed(path, name, "a string")
            return value

        packages = table.get("packages")
        if not isinstance(packages, list) or not all(isinstance(item, str) for item in packages):
            raise SettingsMalformed(path, "packages", "a list of strings")
        limits = table.get("limits", {})
        if not isinstance(limits, dict):
            raise SettingsMalformed(path, "limits", "a table")

        def limit[Number: (int, float)](name: str, kind: type[Number]) -> Number:
            value = limits.get(name)
            if not isinstance(value, (int, kind)) or isinstance(value, bool) or value <= 0:
                expected = "a positive integer" if kind is int else "a positive number"
                raise SettingsMalformed(path, f"limits.{name}", expected)
            return kind(value)

        unused = table.get("unused", {})
        if not isinstance(unused, dict) or not all(isinstance(reason, str) for reason in unused.values()):
            raise SettingsMalformed(path, "unused", "a table of reasons by path")
        return cls(
            packages=tuple(packages),
            wheels=Platform(python_version=text("python_version"), tag=text("platform")),
            unused=unused,
            limits=Limits(
                compressed_bytes=limit("compressed_bytes", int),
                raw_bytes=limit("raw_bytes", int),
                modules=limit("modules", int),
                memory_bytes=limit("memory_bytes", int),
                import_ratio=limit("import_ratio", float),
                first_answer_ratio=limit("first_answer_ratio", float),
            ),
            node=text("node"),
        )
