"""A tenant's ledger on Workers: the Durable Object's inside, and the stub by which a request reaches it.

The object's methods are synchronous, so no other call comes between two of their steps; SQL storage is too, and the
runtime holds an answer back until what was written before it is safe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import js
from pyodide.ffi import create_proxy

from lumigate.ledger.service import LedgerService
from lumigate.platform.workers.clock import WorkersClock
from lumigate.platform.workers.jurisdiction import stub
from lumigate.platform.workers.object_database import ObjectDatabase


class LedgerObject:
    """What the class in `entry.py` delegates to. Storage is read by the first call."""

    def __init__(self, ctx: Any) -> None:
        self._service = LedgerService(ObjectDatabase(ctx.storage).execute, WorkersClock())

    def reserve(self, text: str) -> str:
        return self._service.reserve(text)

    def settle(self, text: str) -> str:
        return self._service.settle(text)

    def usage(self, text: str) -> str:
        return self._service.usage(text)


class WorkersLedger:
    """A stub of the Durable Object `TenantLedger`, made anew for each use: a stub belongs to its request."""

    def __init__(self, namespace: Any, tenant: str, jurisdiction: str = "") -> None:
        self._namespace = namespace
        self._tenant = tenant
        self._jurisdiction = jurisdiction

    async def reserve(self, text: str, *, timeout_seconds: float) -> str:
        return await _within(timeout_seconds, self._stub().reserve(text))

    async def settle(self, text: str, *, timeout_seconds: float) -> str:
        return await _within(timeout_seconds, self._stub().settle(text))

    async def usage(self, text: str, *, timeout_seconds: float) -> str:
        return await _within(timeout_seconds, self._stub().usage(text))

    def _stub(self) -> Any:
        return stub(self._namespace, self._tenant, self._jurisdiction)


async def _within(seconds: float, call: Awaitable[Any]) -> str:
    """What an RPC gives; `TimeoutError` if that takes longer.

    With a JavaScript timer that is cleared: one of asyncio's is only forgotten, and leaves its proxy behind when the
    request ends before it would have fired.
    """
    answer = asyncio.ensure_future(call)
    late = False

    def expire(*_: Any) -> None:
        nonlocal late
        late = True
        answer.cancel()

    proxy = create_proxy(expire)
    timer = js.setTimeout(proxy, seconds * 1000)
    try:
        return str(await answer)
    except asyncio.CancelledError:
        if late:
            raise TimeoutError from None
        raise
    finally:
        js.clearTimeout(timer)
        proxy.destroy()
