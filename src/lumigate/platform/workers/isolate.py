"""What an isolate keeps between requests, and how its entrypoints use it.

One `Gateway`, built by the first request: settings come from `env`, which does not exist while modules are imported.
It holds plain data only (caches, counters, buffers), so requests may share it; everything that does I/O is made anew
for each request. Where a secret is bound from the Secrets Store and has become another, a new one takes over; requests
that are under way end with the old one.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import js
from workers import Response as WorkersResponse

from lumigate import __version__
from lumigate.config import Settings, is_setting
from lumigate.errors import ConfigurationError
from lumigate.gateway import Gateway
from lumigate.http.security import BASE_HEADERS
from lumigate.http.types import Disconnect
from lumigate.platform.workers.environ import read_settings, renew_secrets
from lumigate.platform.workers.hang_up import HangUp
from lumigate.platform.workers.http import read_request, write_response
from lumigate.platform.workers.ledger import LedgerObject
from lumigate.platform.workers.ports import CLOCK, ENTROPY, WorkersPorts
from lumigate.platform.workers.secrets_store import SECRETS
from lumigate.platform.workers.session import SessionIndexObject, SessionObject
from lumigate.platform.workers.shard_object import ShardObject

_gateway: Gateway | None = None
_revision = 0
"""Of the secrets that it was built with."""


async def _isolate_gateway(ports: WorkersPorts) -> Gateway:
    """The gateway there is, or a new one. Nothing is awaited unless a secret must be read."""
    gateway = _gateway
    if gateway is not None and SECRETS.is_due():
        if SECRETS.is_stale():
            await _renew(gateway)
        else:
            ports.background(_renew(gateway))
    if gateway is None or _revision != SECRETS.revision:
        gateway = await _open(ports)
    return gateway


async def _open(ports: WorkersPorts) -> Gateway:
    """Build one from what the deployment says now. Raises `ConfigurationError` if there is none to go on with."""
    global _gateway, _revision  # noqa: PLW0603 - the isolate's one long-lived object; see the module's header
    try:
        environ = await read_settings(is_setting)
        replaced = _gateway
        if replaced is not None and _revision == SECRETS.revision:
            return replaced  # another request was faster
        _revision = SECRETS.revision
        settings = Settings.from_environ(environ)
        settings.cache.check_stores(ports)
        gateway = Gateway(
            settings,
            clock=CLOCK,
            entropy=ENTROPY,
            version=_version(environ),
            resource={"cloud.provider": "cloudflare", "cloud.platform": "cloudflare.workers"},
        )
    except ConfigurationError as error:
        _tell(error)
        if _gateway is None:
            SECRETS.forget()
            raise
        return _gateway  # a secret was changed into what is none; the one before may still do
    _gateway = gateway
    gateway.count_secret_reads(SECRETS.take_tally())
    if replaced is not None:
        ports.background(replaced.flush(ports))
    return gateway


async def _renew(gateway: Gateway) -> None:
    await renew_secrets(is_setting)
    gateway.count_secret_reads(SECRETS.take_tally())


def _tell(error: ConfigurationError) -> None:
    js.console.error(json.dumps({"event": "configuration_error", "level": "error", "message": str(error)}))


def _version(environ: dict[str, Any]) -> str:
    """The deployment's version where `wrangler.toml` binds it (`version_metadata`), so that a span tells the deploy."""
    metadata = environ.get("VERSION_METADATA")
    identity = metadata.get("id") if isinstance(metadata, dict) else None
    return f"{__version__}+{identity}" if identity else __version__


async def serve(raw: Any, env: Any, ctx: Any) -> Any:
    """Answer one request (`fetch`)."""
    ports = WorkersPorts(env, ctx)
    try:
        gateway = await _isolate_gateway(ports)
    except ConfigurationError:
        return WorkersResponse(
            '{"error":{"message":"The deployment is not configured.","type":"server_error",'
            '"param":null,"code":"configuration_error"}}',
            status=500,
            headers={"content-type": "application/json", "cache-control": "no-store", **BASE_HEADERS},
        )
    disconnect = Disconnect()
    hang_up = HangUp(raw, ctx, disconnect.fire)
    try:
        response = await gateway.handle(read_request(raw, disconnect), ports)
    except BaseException as error:
        hang_up.close()
        if isinstance(error, asyncio.CancelledError) and disconnect.fired:
            return WorkersResponse(None, status=499)  # read by nobody; an exception would be one of ours
        raise
    if gateway is not _gateway:  # replaced meanwhile: no later request takes care of what it still has
        ports.background(gateway.flush(ports))
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
    ports = WorkersPorts(env, ctx)
    gateway = await _isolate_gateway(ports)
    await gateway.scheduled(ports, cron)
