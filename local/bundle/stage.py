"""Lays out what would be uploaded, and says what was left behind and why.

`src/` and the vendored wheels are copied into the build folder without what production never reads: tests,
type stubs, compiled files, scripts, and of the metadata all but what `importlib.metadata` needs (name and
version in METADATA, entry_points.txt, through which OpenTelemetry finds its context and propagators).
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_KEPT_METADATA = {"METADATA", "entry_points.txt"}
_TEST_FOLDERS = {"test", "tests"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """A file that stays behind, or the part of one that does."""

    path: str
    bytes: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """The build folder, what is not in it, and the `unused` patterns that matched nothing."""

    folder: Path
    removed: tuple[Removed, ...]
    stale_patterns: tuple[str, ...]


def stage(*, src: Path, python_modules: Path, build: Path, unused: Mapping[str, str]) -> Staged:
    """Fill the folder `build` with `src/` and `python_modules/`, replacing what it held."""
    shutil.rmtree(build, ignore_errors=True)
    removed: list[Removed] = []
    matched: set[str] = set()
    for source, name in ((src, "src"), (python_modules, "python_modules")):
        target = build / name
        target.mkdir(parents=True)
        for path in _files(source):
            relative = PurePosixPath(path.relative_to(source).as_posix())
            pattern = _unused_pattern(relative, unused) if name == "python_modules" else None
            if pattern is not None:
                matched.add(pattern)
            reason = unused[pattern] if pattern is not None else _useless(relative)
            if reason is None:
                left_out = _copy(path, target / relative)
                reason = "descriptions in the metadata"
            else:
                left_out = path.stat().st_size
            if left_out:
                removed.append(Removed(path=f"{name}/{relative}", bytes=left_out, reason=reason))
    return Staged(
        folder=build,
        removed=tuple(removed),
        stale_patterns=tuple(pattern for pattern in unused if pattern not in matched),
    )


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )


def _unused_pattern(path: PurePosixPath, unused: Mapping[str, str]) -> str | None:
    return next((pattern for pattern in unused if path.is_relative_to(pattern)), None)


def _useless(path: PurePosixPath) -> str | None:
    if path.suffix in {".pyi", ".pyc"} or path.name == "py.typed":
        return "types and compiled files"
    if path.parts[0] == "bin" and len(path.parts) > 1:
        return "scripts"
    if _TEST_FOLDERS.intersection(path.parts[:-1]):
        return "tests"
    if path.parts[0].endswith(".dist-info") and (path.name not in _KEPT_METADATA or len(path.parts) > 2):
        return "metadata that nothing reads at run time"
    return None


def _copy(source: Path, target: Path) -> int:
    """Copy the file and return how many bytes were cut off it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.name != "METADATA":
        shutil.copyfile(source, target)
        return 0
    wanted = ("metadata-version:", "name:", "version:")
    lines = source.read_text(encoding="utf-8").split("\n\n", 1)[0].splitlines()
    kept = "".join(f"{line}\n" for line in lines if line.lower().startswith(wanted))
    target.write_text(kept, encoding="utf-8")
    return source.stat().st_size - len(kept.encode())
