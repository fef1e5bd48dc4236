"""Makes the bundle in `.cache/bundle/` and checks it.

Checked are that it is complete, that it imports as a Worker starts, and that it stays inside the budget.
"""

import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from local import toolchain
from local.bundle.bytecode import compile_sources
from local.bundle.imports import Import, imports_of_file, module_name
from local.bundle.report import BundleReport, Module
from local.bundle.stage import Staged, stage
from local.bundle.start_up import StartUp, start_up
from local.bundle_limits import Weight, passed
from local.exclusive import exclusive
from local.pins import Pins

# Pyodide under Node offers these with other contents than the Workers runtime: only the module is looked up.
_OF_THE_RUNTIME = {
    "js",
    "pyodide_js",
    "_cloudflare",
    "_cloudflare_compat_flags",
    "_pyodide_entrypoint_helper",
}
_ENTRY = "entry"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    file: str
    asked: Import


def _silent(_: str) -> None:
    return None


def bundle(
    root: Path, *, python_modules: Path | None = None, progress: Callable[[str], None] = _silent
) -> BundleReport:
    """Build what would be deployed from the checkout `root`, and check it.

    `python_modules` replaces the locked wheels of this checkout. Raises `SettingsMalformed`,
    `ToolchainMissing`, `CompilerBroken` and `StartUpBroken`; what is wrong with the bundle itself is in the report's
    `problems`.
    """
    pins = Pins.read(root)
    progress("vendoring the locked wheels")
    vendored = python_modules or toolchain.python_modules()
    with exclusive(root / ".cache" / "bundle.lock"):
        progress("laying out the bundle")
        staged = lay_out(root, root / ".cache" / "bundle", python_modules=vendored)
        modules = tuple(_listed(staged.folder))
        raw_bytes, compressed_bytes = _weigh(staged.folder)
        uses, problems = _uses(root)
        problems += _not_listed(root, modules)
        problems += [
            f"pyproject.toml leaves out {pattern}, which is not there" for pattern in staged.stale_patterns
        ]
        entries = _entries(root)
        outcome = None
        if entries:
            progress("importing it under Pyodide")
            outcome = start_up(staged.folder, entries=entries, probes=_probes(uses))
        else:
            problems.append(f"src/{_ENTRY}.py is not there: nothing to deploy")
    missing: tuple[str, ...] = ()
    if outcome is not None:
        missing, more = _judge(outcome, uses)
        problems += more
    weight = Weight(
        compressed_bytes=compressed_bytes,
        raw_bytes=raw_bytes,
        modules=len(modules),
        memory_bytes=None if outcome is None else outcome.memory_bytes,
    )
    problems += passed(weight, pins.limits)
    return BundleReport(
        weight=weight,
        limits=pins.limits,
        modules=modules,
        removed=staged.removed,
        missing=missing,
        import_seconds=None if outcome is None else outcome.import_seconds,
        start_seconds=None if outcome is None else outcome.start_seconds,
        problems=tuple(problems),
    )


def lay_out(root: Path, folder: Path, *, python_modules: Path) -> Staged:
    """Fill `folder` with what would be uploaded from the checkout `root`: shaken out, compiled, with wrangler.toml.

    Raises `SettingsMalformed`, `ToolchainMissing` and `CompilerBroken`. What does not compile is uploaded as it is: the
    check of the imports names it.
    """
    unused = Pins.read(root).unused
    staged = stage(src=root / "src", python_modules=python_modules, build=folder, unused=unused)
    compile_sources(folder)
    if (root / "wrangler.toml").is_file():
        shutil.copyfile(root / "wrangler.toml", folder / "wrangler.toml")
    return staged


def _contents(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each uploaded file with the folder its name starts from."""
    for part in (folder / "src", folder / "python_modules"):
        for path in sorted(part.rglob("*")):
            if path.is_file():
                yield path, part


def _listed(folder: Path) -> Iterator[Module]:
    for path, part in _contents(folder):
        extension = next(
            (suffix for suffix in (".so", *EXTENSION_SUFFIXES) if path.name.endswith(suffix)), None
        )
        if path.suffix == ".py":
            name = module_name(path, root=part)
        elif extension is not None:
            name = module_name(path.with_name(path.name.split(".", 1)[0] + ".so"), root=part)
        else:
            name = path.relative_to(part).as_posix()
        yield Module(name=name, bytes=path.stat().st_size)


def _weigh(folder: Path) -> tuple[int, int]:
    """Return the bytes before and after one gzip stream over all contents, as wrangler reports them."""
    raw = compressed = 0
    stream = zlib.compressobj(level=6, wbits=31)
    for path, _ in _contents(folder):
        content = path.read_bytes()
        raw += len(content)
        compressed += len(stream.compress(content))
    return raw, compressed + len(stream.flush())


def _sources(root: Path) -> list[Path]:
    return [path for path in sorted((root / "src").rglob("*.py")) if "__pycache__" not in path.parts]


def _entries(root: Path) -> list[str]:
    """Return the entry modules, the main one first: the files at the top of src/."""
    names = [path.stem for path in sorted((root / "src").glob("*.py"))]
    return [_ENTRY, *(name for name in names if name != _ENTRY)] if _ENTRY in names else []


def _uses(root: Path) -> tuple[list[_Use], list[str]]:
    uses: list[_Use] = []
    problems: list[str] = []
    for path in _sources(root):
        file = path.relative_to(root).as_posix()
        try:
            asked = imports_of_file(path, root=root / "src")
        except SyntaxError as error:
            problems.append(f"{file}:{error.lineno} is not Python: {error.msg}")
            continue
        uses.extend(_Use(file=file, asked=item) for item in asked if not item.for_types_only)
    return uses, problems


def _not_listed(root: Path, modules: Iterable[Module]) -> list[str]:
    listed = {module.name for module in modules}
    return [
        f"{path.relative_to(root).as_posix()} is not in the bundle"
        for path in _sources(root)
        if module_name(path, root=root / "src") not in listed
    ]


def _key(asked: Import) -> str:
    return (
        asked.module
        if asked.name is None or asked.package in _OF_THE_RUNTIME
        else f"{asked.module}:{asked.name}"
    )


def _probes(uses: Iterable[_Use]) -> list[tuple[str, str | None]]:
    probes = []
    for key in sorted({_key(use.asked) for use in uses}):
        module, _, name = key.partition(":")
        probes.append((module, name or None))
    return probes


def _judge(outcome: StartUp, uses: Iterable[_Use]) -> tuple[tuple[str, ...], list[str]]:
    """Return the missing modules, and a line for each of them and for each import that failed otherwise."""
    problems = []
    if outcome.failure is not None:
        failure = outcome.failure
        problems.append(
            f"importing {failure.entry} as a Worker starts failed: {failure.type}: {failure.message}"
            f"{_place(failure.traceback)}"
        )
    missing = sorted({it.absent for it in outcome.unresolved.values() if it.absent is not None})
    for name in missing:
        askers = sorted(
            {f"{use.file}:{use.asked.line}" for use in uses if _asks_for(use.asked, name)}
            or {f"{use.file}:{use.asked.line}" for use in uses if _key(use.asked) in outcome.unresolved}
        )
        problems.append(
            f"{name} is missing: neither in the bundle nor in Pyodide's standard library;"
            f" asked for by {', '.join(askers[:5])}{' …' if len(askers) > 5 else ''}"
        )
    by_reason: dict[str, list[str]] = {}
    for key, it in outcome.unresolved.items():
        if it.absent is None:
            by_reason.setdefault(it.reason, []).append(key)
    for reason, keys in by_reason.items():
        first = next(f"{use.file}:{use.asked.line}" for use in uses if _key(use.asked) == keys[0])
        others = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        problems.append(f"{first} cannot import {keys[0].replace(':', '.')}{others}: {reason}")
    return tuple(missing), problems


def _asks_for(asked: Import, missing: str) -> bool:
    whole = asked.module if asked.name is None else f"{asked.module}.{asked.name}"
    return f"{whole}.".startswith(f"{missing}.")


def _place(traceback: str) -> str:
    """Return where in our own sources the import failed, if the traceback tells."""
    marks = [line.strip() for line in traceback.splitlines() if 'File "/session/metadata/' in line]
    if not marks:
        return ""
    file, line = marks[-1].split('"')[1], marks[-1].split("line ")[1].split(",")[0]
    return f" (src/{file.removeprefix('/session/metadata/')}:{line})"
