"""What `lumigate dev` says at its start and at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from local.live_stats import LiveStats
from local.live_view import span_totals
from local.load import LoadGenerator
from local.mocks.issuer import DAY_SECONDS
from local.runtime.development import example_model
from local.runtime.embedded import EmbeddedRuntime


def ready(runtime: EmbeddedRuntime) -> dict[str, Any]:
    """The first line for a machine: where the gateway is, and a token for it."""
    token = runtime.issuer.valid(ttl_seconds=DAY_SECONDS) if _own_issuer(runtime) else None
    return {
        "event": "ready",
        "url": runtime.url,
        "token": token,
        "curl": _curl(runtime, token or "$TOKEN"),
    }


def greet(console: Console, runtime: EmbeddedRuntime, *, data: Path | None) -> None:
    """The first words for a person, with a curl line that works when pasted."""
    settings = runtime.settings
    upstream = settings.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
    whose = "mock" if upstream == runtime.upstream.base_url else "yours"
    own_issuer = _own_issuer(runtime)
    rows = {
        "gateway": runtime.url,
        "upstream": f"{upstream} ({whose})",
        "key set": settings.get("JWKS_URL"),
        "data": "nothing is kept" if data is None else str(data),
        "telemetry": export_endpoint(settings) or "shown here; add --otlp URL to export it",
    }
    console.print("[bold]Lumigate[/bold], embedded runtime. Ctrl-C ends it.\n")
    for name, value in rows.items():
        console.print(f"  [dim]{name:<10}[/dim] {value}", highlight=False, soft_wrap=True)
    token = runtime.issuer.valid(ttl_seconds=DAY_SECONDS) if own_issuer else "$TOKEN"
    which = "(the token is valid for a day)" if own_issuer else "with a token of your issuer"
    console.print(f"\nTry it {which}:\n", highlight=False)
    # Plain print: rich would break the line, and it is there to be pasted.
    print(_curl(runtime, token) + "\n", flush=True)


def export_endpoint(settings: Mapping[str, Any]) -> str | None:
    """Where spans are exported to, by OpenTelemetry's standard settings; None where they are not."""
    for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        if endpoint := settings.get(name):
            return str(endpoint)
    return None


def _own_issuer(runtime: EmbeddedRuntime) -> bool:
    """Whether the gateway believes the built-in issuer, or one that the developer has named."""
    return bool(runtime.settings.get("JWKS_URL") == runtime.issuer.jwks_url)


def _curl(runtime: EmbeddedRuntime, token: str) -> str:
    message = {"role": "user", "content": "Show me some Python code"}
    body = {"model": example_model(runtime.settings), "messages": [message]}
    quote = '"' if token.startswith("$") else "'"
    return (
        f"curl -sS {runtime.url}/v1/chat/completions -H {quote}authorization: Bearer {token}{quote}"
        f" -H 'content-type: application/json' -d '{json.dumps(body)}'"
    )


def farewell(stats: LiveStats, runtime: EmbeddedRuntime, load: LoadGenerator | None) -> None:
    """The last words: what went through, and what was sent that came out wrong."""
    totals = span_totals(runtime.gateway)
    print(
        f"Ended. {stats.snapshot().requests} requests; spans: {totals.kept} kept,"
        f" {totals.dropped} dropped, {totals.exported} exported."
    )
    if totals.trouble:
        endpoint = export_endpoint(runtime.settings)
        print(f"Exports to {endpoint} failed ({totals.trouble}): {totals.waiting} spans are lost.")
    if load is not None:
        sent = ", ".join(f"{count} {name}" for name, count in sorted(load.counts.sent.items()))
        print(f"Sent: {sent or 'nothing'}.")
        for (name, status), count in sorted(load.counts.unexpected.items()):
            print(f"Unexpected: {count} x {status} for {name}.")
