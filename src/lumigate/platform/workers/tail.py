"""The Tail Worker's isolate: its own telemetry engine, exporting as the gateway's does."""

from __future__ import annotations

import json
from typing import Any

import js

from lumigate import __version__
from lumigate.catalog import LOST_INVOCATIONS
from lumigate.invocations import record
from lumigate.platform.workers.environ import of_telemetry, read_settings, renew_secrets
from lumigate.platform.workers.ports import CLOCK, ENTROPY, WorkersPorts
from lumigate.platform.workers.secrets_store import SECRETS
from lumigate.platform.workers.tail_items import read_items
from lumigate.telemetry import ConfigurationError, Host, Telemetry, TelemetryConfig

_telemetry: Telemetry | None = None
_revision = 0
"""Of the secrets that it was built with."""
_behind = False
"""Whether something may be left that was to be exported."""


async def report(events: Any, env: Any, ctx: Any) -> None:
    """Record the invocations that died, and export before the handler ends: nothing else keeps this isolate alive."""
    global _behind  # noqa: PLW0603 - as those below
    if SECRETS.is_due():
        await renew_secrets(of_telemetry)
    ports = WorkersPorts(env, ctx)
    host = Host(post=ports.post, background=ports.background)
    replaced, telemetry = _telemetry, await _isolate_telemetry()
    if replaced is not None and replaced is not telemetry and _behind:
        await replaced.flush(host)
    if record(telemetry, read_items(events)):
        _behind = True
        await telemetry.flush(host)
    elif _behind:
        # What an export could not deliver is tried again as others end, at the pace of any retry.
        _behind = any(queue.items for queue in telemetry.stats().queues)
        if _behind:
            telemetry.after_request(host)


async def _isolate_telemetry() -> Telemetry:
    """What there is, or another where a secret was changed; one that was changed into what is none is told of."""
    global _telemetry, _revision  # noqa: PLW0603 - the isolate's one long-lived object: buffers and counters, plain data
    if _telemetry is None or _revision != SECRETS.revision:
        environ = await read_settings(of_telemetry)
        settings = {
            name: str(value) for name, value in environ.items() if isinstance(value, str | int | float)
        }
        if _telemetry is not None and _revision == SECRETS.revision:
            return _telemetry  # another report was faster
        _revision = SECRETS.revision
        try:
            config = TelemetryConfig.from_environ(settings)
        except ConfigurationError as error:
            if _telemetry is None:
                raise
            line = {"event": "configuration_error", "level": "error", "message": str(error)}
            js.console.error(json.dumps(line))
            return _telemetry
        _telemetry = Telemetry(
            config,
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
