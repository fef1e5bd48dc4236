"""The client of the gateway benchmark: so many connections, each asking again as soon as it is answered.

    python -m bench.gateway_load        reads an `Order` as JSON on its input, prints a `Load`

No two prompts are alike, so that no cache can answer. A closed loop measures what the server can do; its latencies are
those of a server with all connections busy.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools

from local.runtime.event_loop import run_event_loop

_NUMBER = b"%016x"
_MARK = "@@@@@@@@@@@@@@@@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to send, where, and how long. The first `warm_seconds` are not counted."""

    url: str
    headers: dict[str, str]
    body: dict[str, object]
    connections: int
    seconds: float
    warm_seconds: float = 0.5


@dataclass(slots=True, kw_only=True)
class Load:
    """What came of it. Latencies are in milliseconds; `answer_bytes` is the mean size of a body."""

    requests: int = 0
    sent: int = 0
    """All that were answered, those before and after the counted time included."""
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    first_byte_p50_ms: float = 0.0
    answer_bytes: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)
    sample: str = ""
    """The first bad answer."""

    @property
    def rps(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0


class _Client:
    """What all connections share."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.next_number = random.SystemRandom().getrandbits(62)
        parts = urlsplit(order.url)
        assert parts.hostname is not None
        self.address = (parts.hostname, parts.port or 80)
        content = json.dumps({**order.body, "messages": [{"role": "user", "content": _prompt()}]}).encode()
        headers = {"host": parts.netloc, "content-type": "application/json", **order.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {parts.path} HTTP/1.1\r\n{lines}content-length: {len(content)}\r\n\r\n"
        self._before, _, self._after = (head.encode() + content).partition(_MARK.encode())
        self.latencies: list[int] = []
        self.first_bytes: list[int] = []
        self.answered = 0
        self.body_bytes = 0
        self.failures: Counter[str] = Counter()
        self.sample = ""
        self.counting = False
        self.stopping = False

    def request(self) -> bytes:
        """The next request, with a prompt of its own."""
        self.next_number += 1
        return self._before + _NUMBER % self.next_number + self._after


def _prompt() -> str:
    return (
        f"Question {_MARK}: how does a gateway keep its overhead low when many callers ask at once? Be brief."
    )


class _Connection(asyncio.Protocol):
    def __init__(self, client: _Client) -> None:
        self._client = client
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._sent_ns = self._first_ns = 0
        self._length = 0
        self._sample = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._client.stopping:
            self._client.failures["connection lost"] += 1

    def _ask(self) -> None:
        self._sent_ns, self._first_ns, self._length = time.perf_counter_ns(), 0, 0
        self._transport.write(self._client.request())

    def data_received(self, data: bytes) -> None:
        if not self._first_ns:
            self._first_ns = time.perf_counter_ns()
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._length += len(body)
        self._sample = body

    def on_message_complete(self) -> None:
        client, status = self._client, self._parser.get_status_code()
        if status != 200 or b"error" in self._sample:
            client.failures[f"status {status}"] += 1
            client.sample = client.sample or self._sample[:300].decode("utf-8", "replace")
            if client.failures.total() > 1_000:  # it will not get better
                client.stopping = True
        client.answered += 1
        if client.counting and status == 200:
            client.latencies.append(time.perf_counter_ns() - self._sent_ns)
            client.first_bytes.append(self._first_ns - self._sent_ns)
            client.body_bytes += self._length
        if not self._parser.should_keep_alive():
            client.failures["the server closes connections"] += 1
            return
        if not client.stopping:
            self._ask()


async def run(order: Order) -> Load:
    """Send for that long."""
    client = _Client(order)
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: _Connection(client), *client.address)
        for _ in range(order.connections)
    ]
    await asyncio.sleep(order.warm_seconds)
    client.counting, begun = True, time.perf_counter()
    await asyncio.sleep(order.seconds)
    client.counting = False
    seconds = time.perf_counter() - begun
    client.stopping = True
    for transport, _ in opened:
        transport.close()
    await asyncio.sleep(0)
    count = len(client.latencies)
    return Load(
        requests=count,
        sent=client.answered,
        seconds=seconds,
        p50_ms=quantile(client.latencies, 0.5) / 1e6,
        p99_ms=quantile(client.latencies, 0.99) / 1e6,
        first_byte_p50_ms=quantile(client.first_bytes, 0.5) / 1e6,
        answer_bytes=client.body_bytes / count if count else 0.0,
        failures=dict(client.failures),
        sample=client.sample,
    )


def quantile(values: list[int], share: float) -> float:
    """The value that so large a share of `values` does not exceed; 0 where there are none."""
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) if ordered else 0.0


if __name__ == "__main__":
    print(json.dumps(asdict(run_event_loop(run(Order(**json.load(sys.stdin)))))))
