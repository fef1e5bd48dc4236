"""Fixtures that start the Pyodide host on the tools of the checkout."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from local.mocks.openai_upstream import OpenAIUpstream
from tests.collector import Collector, running_collector
from tests.pyodide.runner import PyodideHost
from tests.pyodide.upstream import Upstream

WORKERS = Path(__file__).parent / "workers"


class Toolchain(NamedTuple):
    node: Path
    pyodide: Path
    modules: Path


@pytest.fixture(scope="session")
def pyodide_toolchain() -> Toolchain:
    """Node, Pyodide and the vendored packages; the environment may name others to compare with."""
    from local.toolchain import node, pyodide, python_modules

    def tool(name: str, make: Callable[[], Path]) -> Path:
        return Path(os.environ[name]) if name in os.environ else make()

    return Toolchain(
        node=tool("LUMIGATE_NODE", node),
        pyodide=tool("LUMIGATE_PYODIDE", pyodide),
        modules=tool("LUMIGATE_MODULES", python_modules),
    )


@pytest.fixture(scope="session")
def make_host(pyodide_toolchain: Toolchain) -> Callable[..., PyodideHost]:
    """Make a host, not yet started, for a Worker of this folder."""

    def make(main: str, **options: Any) -> PyodideHost:
        return PyodideHost(**pyodide_toolchain._asdict(), src=WORKERS, main=main, **options)

    return make


@pytest.fixture(scope="module")
def started(make_host: Callable[..., PyodideHost]) -> Iterator[Callable[..., PyodideHost]]:
    """Start hosts that live until the module's last test."""
    hosts: list[PyodideHost] = []

    def start(main: str, **options: Any) -> PyodideHost:
        host = make_host(main, **options)
        hosts.append(host)
        return host.start()

    yield start
    for host in hosts:
        host.stop()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def model_upstream() -> Iterator[OpenAIUpstream]:
    """The mock model provider, for a whole gateway."""
    from tests.blackbox.conftest import _mocks

    with _mocks() as (running, _):
        yield running


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


@pytest.fixture(scope="module")
def serving(started: Callable[..., PyodideHost]) -> PyodideHost:
    """The Worker of workers/serving.py, with short limits."""
    return started(
        "serving.py",
        bindings={"kv_namespaces": [{"binding": "KV"}], "crons": ["*/5 * * * *"]},
        limits={"waitUntilMs": 3000, "subrequests": 20},
    )
