"""What an isolate keeps between requests, and how its entrypoints use it.

One `Gateway`, built by the first request: settings come from `env`, which does not exist while modules are imported.
It holds plain data only (caches, counters, buffers), so requests may share it; everything that does I/O is made anew
for each request.
"""

from __future__ import annotations

import json
from typing import Any

import js
from workers import Response as WorkersResponse

from lumigate import __version__
from lumigate.config import Settings
from lumigate.errors import ConfigurationError
from lumigate.gateway import Gateway
from lumigate.http.security import BASE_HEADERS
from lumigate.http.types import Disconnect
from lumigate.platform.workers.environ import read_environ
from lumigate.platform.workers.http import HangUp, read_request, write_response
from lumigate.platform.workers.ledger import LedgerObject
from lumigate.platform.workers.ports import CLOCK, ENTROPY, WorkersPorts
from lumigate.platform.workers.session import SessionIndexObject, SessionObject
from lumigate.platform.workers.shard_object import ShardObject

_gateway: Gateway | None = None


def _isolate_gateway() -> Gateway:
    global _gateway  # noqa: PLW0603 - the isolate's one long-lived object; see the module's header
    if _gateway is None:
        environ = read_environ()
        _gateway = Gateway(
            Settings.from_environ(environ),
            clock=CLOCK,
            entropy=ENTROPY,
            version=_version(environ),
            resource={"cloud.provider": "cloudflare", "cloud.platform": "cloudflare.workers"},
        )
    return _gateway


def _version(environ: dict[str, Any]) -> str:
    """The deployment's version where `wrangler.toml` binds it (`version_metadata`), so that a span tells the deploy."""
    metadata = environ.get("VERSION_METADATA")
    identity = metadata.get("id") if isinstance(metadata, dict) else None
    return f"{__version__}+{identity}" if identity else __version__


async def serve(raw: Any, env: Any, ctx: Any) -> Any:
    """Answer one request (`fetch`)."""
    try:
        gateway = _isolate_gateway()
    except ConfigurationError as error:
        js.console.error(
            json.dumps({"event": "configuration_error", "level": "error", "message": str(error)})
        )
        return WorkersResponse(
            '{"error":{"message":"The deployment is not configured.","type":"server_error",'
            '"param":null,"code":"configuration_error"}}',
            status=500,
            headers={"content-type": "application/json", "cache-control": "no-store", **BASE_HEADERS},
        )
    disconnect = Disconnect()
    hang_up = HangUp(raw, disconnect)
    try:
        response = await gateway.handle(read_request(raw, disconnect), WorkersPorts(env, ctx))
    except BaseException:
        hang_up.close()
        raise
    return WorkersResponse(write_response(response, ctx, hang_up))


def open_shard(ctx: Any) -> ShardObject:
    """The counter shard behind a Durable Object's context."""
    return ShardObject(ctx)


def open_session(ctx: Any) -> SessionObject:
    """The session behind a Durable Object's context."""
    return SessionObject(ctx)


def open_session_index(ctx: Any) -> SessionIndexObject:
    """The index of one subject's sessions behind a Durable Object's context."""
    return SessionIndexObject(ctx)


def open_ledger(ctx: Any) -> LedgerObject:
    """The ledger of a tenant behind a Durable Object's context."""
    return LedgerObject(ctx)


async def run_cron(cron: str, env: Any, ctx: Any) -> None:
    """One run of the cron trigger (`scheduled`)."""
    await _isolate_gateway().scheduled(WorkersPorts(env, ctx), cron)
