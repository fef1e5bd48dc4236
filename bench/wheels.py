"""The rivals' packages, installed into `.cache/bench/` of the checkout on first use.

Natively only the JSON encoder is missing from this environment. For Pyodide all of them are needed: pip chooses the
wheels that Pyodide can load, which for protobuf is the one in pure Python, as on Workers.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path
from typing import Literal

from local import wheels
from local.exclusive import exclusive
from local.pins import Pins
from local.toolchain import ROOT

type Runtime = Literal["native", "pyodide"]

JSON_ENCODER = ("opentelemetry-exporter-otlp-json-common==0.66b1", "opentelemetry-proto-json==0.66b1")
_SAME_AS_HERE = (
    "opentelemetry-sdk",
    "opentelemetry-proto",
    "opentelemetry-exporter-otlp-proto-common",
    "protobuf",
)


def rivals(runtime: Runtime) -> Path:
    """The folder to put on `sys.path`. Raises `local.wheels.PipFailed`."""
    requirements: tuple[str, ...]
    if runtime == "native":
        requirements, selection = JSON_ENCODER, ["--no-deps"]
    else:
        here = (f"{name}=={importlib.metadata.version(name)}" for name in _SAME_AS_HERE)
        requirements, selection = (*JSON_ENCODER, *here), Pins.read(ROOT).wheels.arguments()
    folder = ROOT / ".cache" / "bench" / runtime
    stamp = folder.with_suffix(".stamp")
    wanted = "\n".join(requirements)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(folder.with_suffix(".lock")):
        if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            wheels.pip("install", "--no-compile", "--target", str(folder), *selection, *requirements)
            stamp.write_text(wanted, encoding="utf-8")
    return folder
