"""Tries one package as a Worker would have it.

Installed are wheels for Pyodide's platform only, with what they need, the way the Worker's own are. The import runs as
a Worker starts (no entropy, no I/O, no timers, with the Workers SDK and its patches), the use with those rules lifted,
as in a request; threads there are none in either.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local import toolchain, wheels
from local.bundle.start_up import StartUpBroken, start_up
from local.compat.packages import Outcome, Package, Result
from local.pins import Pins

_PYODIDE = {
    "extra": "",
    "os_name": "posix",
    "platform_machine": "wasm32",
    "platform_system": "Emscripten",
    "python_full_version": "3.14.0",
    "python_version": "3.14",
    "sys_platform": "emscripten",
}
_PASSES = 3
"""What is added may need more."""
_SDK = re.compile(r"_?workers")
_LONGEST = 160


def attempt(package: Package, folder: Path, *, version: str = "") -> Result:
    """Install into the new `folder` and run. Raises `PipFailed` where pip failed for another reason than no wheel."""
    modules = folder / "python_modules"
    try:
        # The newest first and alone: left to itself, pip would go back to a release of long ago that needs less.
        version = version or package.version or _newest(folder / "alone", package.name)
        _install(modules, f"{package.name}=={version}")
        for _ in range(_PASSES):
            for requirement in _missing(modules):
                _install(modules, requirement)
    except wheels.PipFailed as error:
        if not re.search("No matching distribution|ResolutionImpossible", str(error)):
            raise
        missing = re.search(r"found for ([A-Za-z0-9_.-]+)", str(error))
        other = missing is not None and missing[1].lower() != package.name.lower()
        return Result(
            version=version,
            outcome=Outcome.NO_WHEEL,
            detail=f"{missing[1]} has none" if missing and other else "",
        )
    size = sum(path.stat().st_size for path in modules.rglob("*") if path.is_file())
    found = _version(modules, package.name)
    for path in toolchain.python_modules().iterdir():
        if _SDK.match(path.name) and not (modules / path.name).exists():
            _ = shutil.copytree(path, modules / path.name) if path.is_dir() else shutil.copy(path, modules)
    outcome, detail = _run(package, folder)
    return Result(version=found, outcome=outcome, detail=detail, installed_bytes=size)


def _install(target: Path, requirement: str, *options: str) -> None:
    platform = Pins.read(toolchain.ROOT).wheels.arguments()
    wheels.pip("install", "--no-compile", "--target", str(target), *options, *platform, requirement)


def _missing(modules: Path) -> list[str]:
    """What the installed packages need on Pyodide only: pip asks their conditions of the machine it runs on."""
    installed = list(importlib.metadata.distributions(path=[str(modules)]))
    names = {canonicalize_name(it.name) for it in installed}
    needed = (Requirement(line) for it in installed for line in it.requires or ())
    return sorted(
        {
            f"{it.name}{it.specifier}"
            for it in needed
            if canonicalize_name(it.name) not in names
            and it.marker is not None
            and it.marker.evaluate(_PYODIDE)
        }
    )


def _newest(folder: Path, name: str) -> str:
    _install(folder, name, "--no-deps")
    return _version(folder, name)


def _run(package: Package, folder: Path) -> tuple[Outcome, str]:
    src = folder / "src"
    src.mkdir()
    (src / "entry.py").write_text(f"import {package.module}\n", encoding="utf-8")
    with _server() as url:
        (src / "use_it.py").write_text(package.use.replace("{url}", url) + "\n", encoding="utf-8")
        try:
            done = start_up(folder, entries=["entry"], probes=[("use_it", None)])
        except StartUpBroken as error:
            return Outcome.IMPORT_FAILS, _short("", str(error))
    if done.failure is not None:
        return Outcome.IMPORT_FAILS, _short(done.failure.type, done.failure.message)
    if not package.use:
        return Outcome.IMPORTS, ""
    failed = done.unresolved.get("use_it")
    return (Outcome.USE_FAILS, _short("", failed.reason)) if failed else (Outcome.WORKS, "")


def _short(kind: str, message: str) -> str:
    line = next((line.strip() for line in message.splitlines() if line.strip()), "")
    text = re.sub(
        r"\S*/(?:python_modules|site-packages|session)\S*", "…", f"{kind}: {line}" if kind else line
    )
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _version(modules: Path, name: str) -> str:
    wanted = re.sub(r"[-_.]+", "_", name).lower()
    for path in modules.glob("*.dist-info"):
        found, _, version = path.name.removesuffix(".dist-info").rpartition("-")
        if re.sub(r"[-_.]+", "_", found).lower() == wanted:
            return version
    return ""


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@contextmanager
def _server() -> Iterator[str]:
    """A server on the loopback that answers every GET, for clients that block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
