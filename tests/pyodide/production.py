"""The Worker as it would be deployed, on the Pyodide host: `src/entry.py` with the bindings of `wrangler.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local import bundle, toolchain
from tests.pyodide.runner import PyodideHost

ROOT = Path(__file__).resolve().parents[2]


SUITE_WALL = {"limit": 60_000, "period": 60}
"""A suite asks more in a minute than one caller may, on a machine that is fast enough: no test may depend on that."""


def suite_bindings() -> dict[str, Any]:
    """The declared bindings behind which many tests share a caller: their limiters let a whole suite through.

    What the declared limits do is shown by tests with a gateway of their own.
    """
    declared = declared_bindings()
    walls = [binding | {"simple": SUITE_WALL} for binding in declared["ratelimits"]]
    return declared | {"ratelimits": walls}


def declared_bindings() -> dict[str, Any]:
    """The bindings of the default environment, in the host's words."""
    wrangler = tomllib.loads((ROOT / "wrangler.toml").read_text("utf-8"))
    sqlite = {
        name for migration in wrangler["migrations"] for name in migration.get("new_sqlite_classes", ())
    }
    return {
        "kv_namespaces": wrangler["kv_namespaces"],
        "r2_buckets": wrangler["r2_buckets"],
        "analytics_engine_datasets": wrangler["analytics_engine_datasets"],
        "ratelimits": wrangler["ratelimits"],
        "durable_objects": [
            {
                "binding": binding["name"],
                "class_name": binding["class_name"],
                "sqlite": binding["class_name"] in sqlite,
            }
            for binding in wrangler["durable_objects"]["bindings"]
        ],
        "crons": wrangler["triggers"]["crons"],
    }


def deployed(folder: Path) -> dict[str, Any]:
    """Options for `production_host`: what would be uploaded, shaken out and compiled, laid out in the new `folder`."""
    bundle.lay_out(ROOT, folder, python_modules=toolchain.python_modules())
    return {"src": folder / "src", "modules": folder / "python_modules", "bytecode": True}


def production_host(variables: Mapping[str, Any], **options: Any) -> PyodideHost:
    """A host, not yet started, with the vars of `wrangler.toml` under `variables`."""
    wrangler = tomllib.loads((ROOT / "wrangler.toml").read_text("utf-8"))
    return PyodideHost(
        node=toolchain.node(),
        pyodide=toolchain.pyodide(),
        modules=options.pop("modules", None) or toolchain.python_modules(),
        src=options.pop("src", ROOT / "src"),
        vars={**wrangler["vars"], **variables},
        bindings=options.pop("bindings", declared_bindings()),
        **options,
    )
