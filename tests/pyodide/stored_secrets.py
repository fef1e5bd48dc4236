"""A Worker whose settings are bound from a Secrets Store, for the tests of that."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from local.mocks.issuer import ISSUER
from local.mocks.openai_upstream import OpenAIUpstream
from tests.collector import Collector, attributes
from tests.pyodide.production import ROOT, declared_bindings
from tests.pyodide.runner import PyodideHost

STORE = "0123456789abcdef0123456789abcdef"
MARK = "MaRkEdSeCrEt"
CALLER = "lmg_store_caller"
SECRETS = {
    "OPENAI_API_KEY": f"sk-{MARK}",
    "API_KEYS": f"acme:{hashlib.sha256(CALLER.encode()).hexdigest()}",
    "SEALING_KEYS": "k1:" + base64.b64encode(bytes(range(32))).decode(),
    "METRICS_TOKEN": f"scrape-{MARK}",
    "OTEL_EXPORTER_OTLP_HEADERS": f"x-api-key=otlp-{MARK}",
    # A number that a Durable Object reads as well.
    "SESSION_IDLE_SECONDS": "77",
}
VARIABLES: dict[str, Any] = {
    "JWT_ISSUER": ISSUER,
    "OTEL_BSP_SCHEDULE_DELAY": "20",
    "METRICS_EXPORT_SECONDS": "0.2",
    "METRICS_SCRAPE_HOLD_SECONDS": "0",
    "MODELS": json.dumps({"m": {"provider": "openai", "model": "gpt-5-mini"}}),
}
BEARER = {"authorization": f"Bearer {CALLER}"}


def named(binding: str) -> str:
    """What a secret is called in the store: not as its binding is."""
    return f"lumigate_test_{binding}"


def references(secrets: Mapping[str, str | None]) -> dict[str, Any]:
    """Bindings of these settings to the store; one that is None is bound and not there."""
    held = {named(name): {"value": value} for name, value in secrets.items() if value is not None}
    tables = [{"binding": name, "store_id": STORE, "secret_name": named(name)} for name in secrets]
    return {"secrets_store_secrets": tables, "secrets_stores": {STORE: held}}


def bound(secrets: Mapping[str, str | None]) -> dict[str, Any]:
    """All bindings of the Worker, those with them."""
    return {**declared_bindings(), **references(secrets)}


def put(host: PyodideHost, binding: str, **held: Any) -> None:
    host.control("secret", store_id=STORE, name=named(binding), **held)


def calls(host: PyodideHost) -> dict[str, int]:
    kept = host.state()["bindings"]
    return {name: kept[name]["calls"] for name in SECRETS if "calls" in (kept.get(name) or {})}


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.05)


def source_with(folder: Path, *, again_ms: int = 300_000, timeout_seconds: float = 5.0) -> Path:
    """The code as it is, but for how long it waits."""
    source = folder / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    path = source / "lumigate/platform/workers/secrets_store.py"
    text = path.read_text("utf-8")
    for before, after in (
        ("AGAIN_MS: Final = 300_000", f"AGAIN_MS: Final = {again_ms}"),
        ("_TIMEOUT_SECONDS: Final = 5.0", f"_TIMEOUT_SECONDS: Final = {timeout_seconds}"),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    path.write_text(text, "utf-8")
    return source


def ask(client: httpx.Client, text: str = "hello") -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return client.post("/v1/chat/completions", json=body, headers=BEARER)


def scraped(client: httpx.Client, token: str) -> int:
    return client.get("/metrics", headers={"authorization": f"Bearer {token}"}).status_code


def sent_keys(collector: Collector, path: str) -> set[str]:
    """The values of `x-api-key` that exports of one signal came with."""
    with collector.changed:
        return {headers.get("x-api-key", "") for asked, headers, _ in collector.requests if asked == path}


def reads(collector: Collector) -> dict[str, float]:
    """The metric's latest value by its result, as the shard exports it."""
    found: dict[str, float] = {}
    for metric in collector.metrics():
        if metric.name == "lumigate.secrets.reads":
            for point in metric.sum.data_points:
                found[str(attributes(point)["lumigate.secret.result"])] = point.as_int or point.as_double
    return found


def settings(upstream: OpenAIUpstream, collector: Collector) -> dict[str, Any]:
    return {
        **VARIABLES,
        "ENVIRONMENT": "test",
        "OPENAI_BASE_URL": upstream.base_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
    }
