"""One destination's export of one signal: take a batch, encode, send, and act on the answer as OTLP prescribes.

Only 429, 502, 503, 504 and silence are tried again, and what is tried again goes back to the queue with a «not
before». Every other refusal costs the batch; 413 costs nothing: less is sent at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from lumigate.telemetry.breaker import Breaker, BreakerState
from lumigate.telemetry.buffer import Batch, Queue
from lumigate.telemetry.counts import Counts
from lumigate.telemetry.destinations import Endpoint, Signal
from lumigate.telemetry.encoders import Encoder
from lumigate.telemetry.host import Clock, Post, PostError, PostResult
from lumigate.telemetry.otlp.packing import UNLIMITED, Packed
from lumigate.telemetry.otlp.response import parse_partial_success
from lumigate.telemetry.records import Resource
from lumigate.telemetry.resource import VERSION
from lumigate.telemetry.retry import RETRYABLE, backoff_ns, retry_after_ns

USER_AGENT: Final = f"OTel-OTLP-Exporter-Lumigate/{VERSION}"
GZIP_LEVEL: Final = 6
"""zlib's own default. In wasm it costs 3 us a span of 8 attributes; level 1 halves that and sends a fifth more bytes,
level 9 doubles it for 3% fewer."""
_GRACE_NS: Final = 5_000_000_000
"""How long after its timeout an export is still believed to be alive."""
_GZIP_WBITS: Final = 31
_SHORTEST_SECONDS: Final = 1.0
"""With less time left than this, an export is not begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """One export request, as the metrics see it."""

    destination: str
    signal: Signal
    result: str
    seconds: float


class Exporter:
    """Drains one queue to one endpoint. Holds no I/O of its own: a request lends its `Post`."""

    def __init__(
        self,
        *,
        destination: str,
        signal: Signal,
        endpoint: Endpoint,
        encoder: Encoder,
        queue: Queue,
        clock: Clock,
        counts: Counts,
        chance: Callable[[], float],
        max_request_bytes: int,
        report: Callable[[ExportResult], None],
    ) -> None:
        self.destination = destination
        self.signal: Signal = signal
        self.queue = queue
        self.breaker = Breaker()
        self.not_before_ns = 0
        self.last_error = ""
        """One line about the last failure, without headers or bodies."""
        self._endpoint = endpoint
        self._encode = encoder.encode[signal]
        self._encode_writable = encoder.encode_writable[signal]
        self._clock = clock
        self._counts = counts
        self._chance = chance
        self._max_request_bytes = max_request_bytes
        self._report = report
        self._failures = 0
        self._due = 0
        """What had arrived when the last window came: one that finds a batch being sent leaves it all to its sender."""
        self._asked_until_ns = 0
        """What Retry-After said; the other waits are our own idea, and `force` may shorten them."""
        self._headers = {
            **endpoint.headers,
            "content-type": encoder.content_type,
            "user-agent": USER_AGENT,
            **({"content-encoding": "gzip"} if endpoint.gzip else {}),
        }

    def is_ready(self, now_ns: int) -> bool:
        """Whether the destination may be asked now."""
        return now_ns >= self.not_before_ns and self.breaker.state(now_ns) is not BreakerState.OPEN

    def may_send(self, now_ns: int) -> bool:
        """Whether there is something to send, too."""
        return self.queue.items > 0 and self.is_ready(now_ns)

    async def drain(
        self, post: Post, resource: Resource, deadline_ns: int, *, force: bool, exclusive: bool
    ) -> None:
        """Send what waits, until the destination fails or the time is up. Raises only what cancels it.

        What comes in meanwhile is for the next window, unless it fills an export, is to be out now (`force`) or that
        window has come already and found the queue busy: under load there is always something, and sending a few traces
        at a time costs more than making them.
        """
        self._due = self.queue.arrived
        while True:
            now = self._clock.now_ns()
            if now >= deadline_ns or now < self._asked_until_ns or not (force or self.may_send(now)):
                return
            seconds = min(self._endpoint.timeout_seconds, (deadline_ns - now) / 1e9)
            if seconds < min(self._endpoint.timeout_seconds, _SHORTEST_SECONDS):
                return
            batch = self.queue.take(now, int(seconds * 1e9) + _GRACE_NS, exclusive=exclusive)
            if batch is None:
                return
            try:
                going_on = await self._send(post, resource, batch, seconds, now)
            except BaseException:
                # cancelled, or the isolate is going down: nobody knows whether it arrived
                self.queue.give_back(batch)
                raise
            newer = self.queue.arrived - self._due
            if not going_on or not (force or self.queue.waiting_items > newer or self.queue.is_full()):
                return

    async def _send(self, post: Post, resource: Resource, batch: Batch, seconds: float, now_ns: int) -> bool:
        records, unwritable = batch.records(), 0
        try:
            body = self._encode(resource, records)
        except Exception as error:
            self.last_error = f"encoding failed: {type(error).__name__}"
            # one by one: what can be written is sent, the rest is counted once that has arrived
            packed = self._writable(resource, records)
            if packed is None or not packed.payloads:
                self.queue.drop(batch, "encode_failed")
                return True
            body, unwritable = packed.payloads[0][0], packed.invalid
        if len(body) > self._max_request_bytes and batch.items > 1:
            self.queue.too_large(batch, "too_large")
            return True
        if self._endpoint.gzip:
            body = zlib.compress(body, GZIP_LEVEL, _GZIP_WBITS)
        try:
            answer = await post(self._endpoint.url, headers=self._headers, body=body, timeout_seconds=seconds)
        except PostError as error:
            result = "timeout" if error.reason == "timeout" else "connection"
            self.last_error = f"no answer: {result}"
            self._failed(batch, result, now_ns, None)
            return False
        except Exception as error:
            # a defect of the host's Post must not lose data either
            self.last_error = f"post raised {type(error).__name__}"
            self._failed(batch, "connection", now_ns, None)
            return False
        self._counts.bytes_sent[self.destination, self.signal] += len(body)
        return self._answered(batch, unwritable, answer, now_ns)

    def _writable(self, resource: Resource, records: list[Any]) -> Packed | None:
        """None where not even that can be told: whatever the reason, it would be the same at the next try."""
        try:
            return self._encode_writable(resource, records, UNLIMITED)
        except Exception:
            return None

    def _answered(self, batch: Batch, unwritable: int, answer: PostResult, sent_ns: int) -> bool:
        status = answer.status
        if 200 <= status < 300:
            partial = parse_partial_success(self.signal, answer.headers.get("content-type", ""), answer.body)
            rejected = min(partial.rejected, batch.items - unwritable) if partial is not None else 0
            if unwritable:
                self._counts.drop(self.signal, "encode_failed", unwritable)
            self._succeeded(batch, unwritable, rejected, sent_ns)
            return True
        if status in RETRYABLE:
            self.last_error = f"HTTP {status}"
            self._failed(batch, "throttled" if status == 429 else "unavailable", sent_ns, answer)
            return False
        self.last_error = f"HTTP {status}"
        if status == 413:
            self._finish("too_large", sent_ns)
            self.queue.too_large(batch, "too_large")
            return True
        # also redirects: following one would send the headers, secrets and all, to a place nobody configured
        self._finish("rejected", sent_ns)
        self.queue.drop(batch, "rejected")
        self.breaker.failed(self._clock.now_ns())
        return False

    def _succeeded(self, batch: Batch, unwritable: int, rejected: int, sent_ns: int) -> None:
        self.queue.delivered(batch)
        self.breaker.succeeded()
        self._failures = 0
        self.not_before_ns = 0
        self._counts.exported[self.destination, self.signal] += batch.items - unwritable - rejected
        if rejected:
            self._counts.drop(self.signal, "partial_success", rejected)
        self._finish("partial" if rejected else "ok", sent_ns)

    def _failed(self, batch: Batch, result: str, sent_ns: int, answer: PostResult | None) -> None:
        now = self._clock.now_ns()
        self._failures += 1
        asked = None if answer is None else retry_after_ns(answer.headers, now)
        self._asked_until_ns = asked or 0
        self.not_before_ns = now + backoff_ns(self._failures, self._chance()) if asked is None else asked
        self.breaker.failed(now)
        self._counts.retries[self.destination, self.signal] += 1
        self.queue.give_back(batch)
        self._finish(result, sent_ns)

    def _finish(self, result: str, sent_ns: int) -> None:
        self._counts.requests[self.destination, self.signal, result] += 1
        seconds = max(0, self._clock.now_ns() - sent_ns) / 1e9
        self._report(
            ExportResult(destination=self.destination, signal=self.signal, result=result, seconds=seconds)
        )
