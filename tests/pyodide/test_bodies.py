"""One timer watches all reads of a body: it fires for a silent sender only, and is gone whichever way the body ends."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import httpx
import pytest

from tests.pyodide.production import ROOT, production_host
from tests.pyodide.runner import PATIENCE_S, PyodideHost
from tests.pyodide.upstream import Upstream

WORKERS = ROOT / "tests" / "pyodide" / "workers"
LONG = "60"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PyodideHost]:
    source = tmp_path_factory.mktemp("bodies") / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("bodies.py", "router.py"):
        shutil.copyfile(WORKERS / name, source / name)
    with production_host({}, main="bodies.py", src=source, bindings={}) as running:
        yield running


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def read(host: PyodideHost, url: str, **query: str) -> str:
    answer = httpx.get(f"{host.url}/read", params={"url": url, **query}, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return answer.text


def text_of(chunks: int) -> str:
    return "".join(f"chunk {number}\n" for number in range(chunks))


@pytest.mark.parametrize(
    ("how", "idle", "seconds_apart", "told"),
    [
        pytest.param("whole", LONG, 0, text_of(3), id="read whole"),
        pytest.param("too long", LONG, 0, "None", id="longer than the limit"),
        pytest.param("chunks", LONG, 0, text_of(3), id="to its end"),
        pytest.param("cancelled", LONG, 30, "chunk 0\nconnection", id="cancelled between two chunks"),
        pytest.param("chunks", "0.3", 30, "chunk 0\ntimeout", id="given up for its silence"),
    ],
)
def test_a_body_leaves_no_proxy_behind_whichever_way_it_ends(
    host: PyodideHost, upstream: Upstream, how: str, idle: str, seconds_apart: float, told: str
) -> None:
    url = f"{upstream.url}/chunks?n=3&s={seconds_apart}"
    assert read(host, url, how=how, idle=idle) == told
    before = host.live_proxies()
    for _ in range(3):
        assert read(host, url, how=how, idle=idle) == told
    assert host.live_proxies() == before


def test_the_time_that_a_reader_takes_is_never_counted_however_often_the_timer_looks(
    host: PyodideHost, upstream: Upstream
) -> None:
    url = f"{upstream.url}/chunks?n=4&s=0"
    assert read(host, url, how="chunks", idle="1", pause="2.5") == text_of(4)
