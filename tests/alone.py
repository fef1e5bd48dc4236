"""Something measured in a process of its own: the gateways that other tests keep running allocate, too."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from local.toolchain import ROOT

_PROGRAM = "import importlib, json, sys; m, f, a = sys.argv[1:]; f = getattr(importlib.import_module(m), f)"


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` of a module's top level returns there; arguments and result are what JSON can hold."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{_PROGRAM}; print(json.dumps(f(*json.loads(a))))",
            function.__module__,
            function.__name__,
            json.dumps(arguments),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
