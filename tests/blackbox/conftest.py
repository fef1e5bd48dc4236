"""The black-box suite runs against every runtime there is: embedded, Pyodide under Node, or any URL.

With LUMIGATE_URL (and LUMIGATE_TOKEN) set it runs against that deployment only, and tests that need to steer the
provider, the issuer or the collector behind it are skipped.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import openai
import pytest

from local.mocks.issuer import Issuer, SigningKey
from local.mocks.openai_upstream import OpenAIUpstream
from local.runtime.development import development_settings
from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import run_in_thread
from tests.collector import Collector, running_collector
from tests.pyodide.production import deployed, production_host, suite_bindings

API_KEY = "lmg_blackbox_key"
PATIENCE = 60.0
"""Seconds after which something is taken not to happen, however busy the machine is."""

SETTINGS: dict[str, Any] = {
    "ENVIRONMENT": "test",
    "WIDE_EVENT_SINKS": "console,otlp",
    "MAX_BODY_BYTES": "200000",
    "OTEL_BSP_SCHEDULE_DELAY": "50",
    "METRICS_TOKEN": "blackbox-metrics",
    "SEALING_KEYS": "k1:" + base64.b64encode(bytes(range(32))).decode(),
    # This machine may be busy: what is slow here is no sign of a store that is, or of a provider.
    "CACHE_L2_BUDGET_MS": "10000",
    "CACHE_L3_BUDGET_MS": "10000",
    "CACHE_STAMPEDE_MS": "10000",
    "CACHE_NEAR_THRESHOLD": "0.8",
    "METRICS_EXPORT_SECONDS": "0.5",
    "METRICS_SCRAPE_HOLD_SECONDS": "0",
}


@dataclass(kw_only=True)
class Stage:
    """A running gateway and what stands behind it."""

    name: str
    url: str
    token: Callable[..., str]
    upstream: OpenAIUpstream | None = None
    issuer: Issuer | None = None
    collector: Collector | None = None
    events: Callable[[], list[dict[str, Any]]] = field(default=lambda: [])
    data_points: Callable[[], list[dict[str, Any]]] = field(default=lambda: [])

    def headers(self, **more: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token()}"} | more

    def openai(self, api_key: str | None = None) -> openai.OpenAI:
        """The official client, pointed here, without retries of its own."""
        key = self.token() if api_key is None else api_key
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=PATIENCE)

    def event(self, request_id: str) -> dict[str, Any]:
        """The wide event of a request, once it is there."""
        return self.told("request_id", request_id)

    def told(self, name: str, value: str) -> dict[str, Any]:
        """The wide event of the request with this member, once it is there."""

        def found() -> dict[str, Any] | None:
            events = (event for event in self.events() if event.get("event") == "request")
            return next((event for event in events if event.get(name) == value), None)

        return eventually(found)


def eventually[T](find: Callable[[], T | None]) -> T:
    """What `find` returns as soon as it is true. The wait costs nothing when all is well."""
    deadline = time.monotonic() + PATIENCE
    while not (found := find()):
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.02)
    return found


@contextmanager
def _mocks() -> Iterator[tuple[OpenAIUpstream, Issuer]]:
    """A mock provider and an issuer on a loop of their own, in a thread."""
    upstream, issuer = OpenAIUpstream(), Issuer(SigningKey.generate())
    started, stop_requested = threading.Event(), threading.Event()

    async def serve() -> None:
        async with upstream, issuer:
            started.set()
            await asyncio.to_thread(stop_requested.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(PATIENCE)
    try:
        yield upstream, issuer
    finally:
        stop_requested.set()
        thread.join(timeout=PATIENCE)


def _parsed(lines: Callable[[], list[str]]) -> Callable[[], list[dict[str, Any]]]:
    """The wide events among lines that only ever become more; each is parsed once."""
    events: list[dict[str, Any]] = []
    read = 0

    def parsed() -> list[dict[str, Any]]:
        nonlocal read
        new = lines()[read:]
        read += len(new)
        events.extend(json.loads(line) for line in new if line.startswith("{"))
        return list(events)

    return parsed


@contextmanager
def _embedded(more: Mapping[str, Any] | None = None) -> Iterator[Stage]:
    with running_collector() as collector:
        settings = SETTINGS | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "API_KEYS": _api_keys()}
        settings |= more or {}
        runtime = EmbeddedRuntime(settings)
        with run_in_thread(runtime):
            lines: list[str] = []
            runtime.ports.console.listen(lines.append)
            yield Stage(
                name="embedded",
                url=runtime.url,
                token=runtime.issuer.valid,
                upstream=runtime.upstream,
                issuer=runtime.issuer,
                collector=collector,
                events=_parsed(lambda: list(lines)),
            )


@contextmanager
def _pyodide(more: Mapping[str, Any] | None = None) -> Iterator[Stage]:
    with ExitStack() as stack:
        collector = stack.enter_context(running_collector())
        upstream, issuer = stack.enter_context(_mocks())
        variables = development_settings(jwks_url=issuer.jwks_url, openai_base_url=upstream.base_url)
        variables |= SETTINGS | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "API_KEYS": _api_keys()}
        variables |= more or {}
        # What is uploaded, not what lies in the checkout: the suite is the proof that nothing it needs was left out.
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="lumigate-bundle-")))
        host = stack.enter_context(production_host(variables, bindings=suite_bindings(), **deployed(folder)))
        yield Stage(
            name="pyodide",
            url=host.url,
            token=issuer.valid,
            upstream=upstream,
            issuer=issuer,
            collector=collector,
            events=_parsed(host.logs),
        )


@contextmanager
def _deployed(more: Mapping[str, Any] | None = None) -> Iterator[Stage]:
    token = os.environ.get("LUMIGATE_TOKEN", "")
    yield Stage(name="url", url=os.environ["LUMIGATE_URL"].rstrip("/"), token=lambda **_: token)


def _api_keys() -> str:
    return f"acme:{hashlib.sha256(API_KEY.encode()).hexdigest()}"


_STAGES = {"embedded": _embedded, "pyodide": _pyodide, "url": _deployed}


@pytest.fixture(scope="session", params=["url"] if "LUMIGATE_URL" in os.environ else ["embedded", "pyodide"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The gateway under test, started once a runtime."""
    with _STAGES[request.param]() as running:
        yield running


@contextmanager
def stage_with(name: str, more: Mapping[str, Any]) -> Iterator[Stage]:
    """A gateway of its own with other settings, for a module that is about them."""
    if "LUMIGATE_URL" in os.environ:
        pytest.skip("a deployment at LUMIGATE_URL has settings of its own")
    with _STAGES[name](more) as running:
        yield running


@pytest.fixture
def staged(stage: Stage) -> Stage:
    """The same, for tests that need the provider, the issuer and the collector in their own hands."""
    if stage.upstream is None:
        pytest.skip("a deployment at LUMIGATE_URL has a provider of its own")
    return stage


@pytest.fixture
def http(stage: Stage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stage.url, timeout=PATIENCE) as client:
        yield client
