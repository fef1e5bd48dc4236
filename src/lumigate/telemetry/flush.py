"""When the buffer is exported, and by which request.

The first request of a window takes the lease and holds its background open: linger, then export. The others only
append. A request that finds the buffer full exports at once. Nothing a response waits for is ever awaited here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from opentelemetry import context as context_api
from opentelemetry.context import _SUPPRESS_HTTP_INSTRUMENTATION_KEY, _SUPPRESS_INSTRUMENTATION_KEY

from lumigate.telemetry.config import FlushConfig
from lumigate.telemetry.counts import Counts
from lumigate.telemetry.export import Exporter
from lumigate.telemetry.host import Clock, Host
from lumigate.telemetry.lease import Lease
from lumigate.telemetry.records import Resource

_GRACE_NS: Final = 2_000_000_000
"""How long after its linger an owner is still believed to be alive."""
_CONNECTIONS: Final = 6
"""Workers opens at most so many at once for one request; more destinations than that take turns."""


class Flusher:
    """Lends requests' I/O to the exporters. Its state is plain data and outlives every request."""

    def __init__(
        self,
        *,
        config: FlushConfig,
        clock: Clock,
        exporters: Sequence[Exporter],
        counts: Counts,
        resource: Callable[[], Resource],
        prepare: Callable[[int, bool], None],
        has_news: Callable[[int], bool],
        report: Callable[[float], None],
        failed: Callable[[str, Exception], None],
    ) -> None:
        self.lease = Lease()
        self._config = config
        self._clock = clock
        self._exporters = exporters
        self._counts = counts
        self._resource = resource
        self._prepare = prepare
        """Collects metrics into their queues, if they are due (or whatever the clock says)."""
        self._has_news = has_news
        """Whether metrics are waiting to be collected."""
        self._report = report
        self._failed = failed
        self._urgent_until_ns = 0

    def after_request(self, host: Host, now_ns: int) -> None:
        """Hand an export to the request's background, if it is this request's turn."""
        if not self._exporters and host.on_flush is None:
            return
        if self._config.mode == "request":
            if host.on_flush is not None or self._anything_to_send(now_ns):
                self._start(host, 0, 0.0)
            return
        if now_ns >= self._urgent_until_ns and any(
            exporter.queue.is_full() and exporter.may_send(now_ns) and not exporter.queue.in_flight
            for exporter in self._exporters
        ):
            # one urgent export at a time; if its owner dies, the next full moment or the lease serves
            self._urgent_until_ns = now_ns + _GRACE_NS
            self._start(host, 0, 0.0)
            return
        if not self.lease.is_free(now_ns):
            return
        linger = self._config.linger_ms / 1000
        # by the end of the window a destination may be ready that is not now, and no other request may come
        if host.on_flush is None and not self._anything_to_send(now_ns + int(linger * 1e9)):
            return
        if self.lease.owner:
            self._counts.leases_taken_over += 1
        token = self.lease.take(now_ns, int(linger * 1e9) + _GRACE_NS)
        self._start(host, token, linger)

    async def flush(self, host: Host, *, force: bool, begun_ns: int = 0) -> None:
        """Export what there is, now. `force` also asks destinations that were to be left alone for a while.

        `begun_ns` is when the background work began whose time the platform limits; now, where it is not given.
        """
        started = self._clock.now_ns()
        self._counts.flushes += 1
        deadline = (begun_ns or started) + int(self._config.budget_ms * 1e6)
        try:
            self._prepare(started, force)
        except Exception as error:  # metrics that cannot be collected keep no spans back
            self._failed("collect", error)
        exclusive = not force and self._config.mode == "window"
        resource = self._resource()
        now_ready = [e for e in self._exporters if e.queue.items and (force or e.may_send(started))]
        groups = self._groups(now_ready)

        # an instrumented HTTP client must not trace the export of its own traces
        quiet = context_api.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True)
        token = context_api.attach(context_api.set_value(_SUPPRESS_HTTP_INSTRUMENTATION_KEY, True, quiet))

        async def drain(group: Sequence[Exporter]) -> None:
            for exporter in group:
                try:
                    await exporter.drain(host.post, resource, deadline, force=force, exclusive=exclusive)
                except Exception as error:
                    self._failed("export", error)

        work = [drain(group) for group in groups]
        if host.on_flush is not None:
            work.append(self._call(host.on_flush))
        try:
            if len(work) == 1:
                await work[0]
            elif work:
                await asyncio.gather(*work)
            if host.on_flush is not None:
                # what it has put into the queues: the next request, which would send it, may never come
                await drain([e for e in self._exporters if e.signal == "metrics" and e.queue.waiting_items])
        finally:
            context_api.detach(token)
        self._report(max(0, self._clock.now_ns() - started) / 1e9)

    def _start(self, host: Host, token: int, linger_seconds: float) -> None:
        coroutine = self._linger_then_flush(host, token, linger_seconds)
        try:
            host.background(coroutine)
        except BaseException:
            coroutine.close()
            self.lease.release(token)
            self._urgent_until_ns = 0
            raise

    async def _linger_then_flush(self, host: Host, token: int, linger_seconds: float) -> None:
        begun_ns = self._clock.now_ns()
        try:
            if linger_seconds > 0:
                await self._clock.sleep(linger_seconds)
        except Exception as error:
            self._failed("linger", error)
        finally:
            # from here on what is being sent is guarded by its own expiry, so the next window may begin
            if token:
                self.lease.release(token)
        try:
            await self.flush(host, force=False, begun_ns=begun_ns)
        except Exception as error:
            self._failed("flush", error)
        finally:
            if not token:
                self._urgent_until_ns = 0

    async def _call(self, on_flush: Callable[[], Awaitable[None]]) -> None:
        try:
            await on_flush()
        except Exception as error:
            self._failed("on_flush", error)

    def _anything_to_send(self, now_ns: int) -> bool:
        return self._has_news(now_ns) or any(exporter.may_send(now_ns) for exporter in self._exporters)

    def _groups(self, exporters: Sequence[Exporter]) -> list[list[Exporter]]:
        """What is sent side by side: each queue by itself, or by destination where that were too many."""
        if len(exporters) <= _CONNECTIONS:
            return [[exporter] for exporter in exporters]
        by_destination: dict[str, list[Exporter]] = {}
        for exporter in exporters:
            by_destination.setdefault(exporter.destination, []).append(exporter)
        return list(by_destination.values())
