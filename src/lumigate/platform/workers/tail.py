"""The Tail Worker's isolate: its own telemetry engine, exporting as the gateway's does."""

from __future__ import annotations

from typing import Any

from lumigate import __version__
from lumigate.catalog import LOST_INVOCATIONS
from lumigate.invocations import record
from lumigate.platform.workers.environ import read_environ
from lumigate.platform.workers.ports import CLOCK, ENTROPY, WorkersPorts
from lumigate.platform.workers.tail_items import read_items
from lumigate.telemetry import Host, Telemetry, TelemetryConfig

_telemetry: Telemetry | None = None


async def report(events: Any, env: Any, ctx: Any) -> None:
    """Record the invocations that died, and export before the handler ends: nothing else keeps this isolate alive."""
    telemetry = _isolate_telemetry()
    if record(telemetry, read_items(events)):
        ports = WorkersPorts(env, ctx)
        await telemetry.flush(Host(post=ports.post, background=ports.background))


def _isolate_telemetry() -> Telemetry:
    global _telemetry  # noqa: PLW0603 - the isolate's one long-lived object: buffers and counters, plain data
    if _telemetry is None:
        environ = read_environ()
        settings = {
            name: str(value) for name, value in environ.items() if isinstance(value, str | int | float)
        }
        _telemetry = Telemetry(
            TelemetryConfig.from_environ(settings),
            clock=CLOCK,
            entropy=ENTROPY,
            metrics=(LOST_INVOCATIONS,),
            resource={
                "service.version": __version__,
                "deployment.environment.name": str(environ.get("ENVIRONMENT", "development")),
                "cloud.provider": "cloudflare",
                "cloud.platform": "cloudflare.workers",
            },
        )
    return _telemetry
