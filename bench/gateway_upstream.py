"""The model behind every gateway of the benchmark, and the collector behind ours: as cheap as Python can make them.

    python -m bench.gateway_upstream        prints {"port": …} and serves until its input ends

Answers are made before the first request. A POST whose body asks for a stream gets `CHUNKS` events, one a turn of the
event loop; one to `/v1/traces`, `/v1/metrics` or `/v1/logs` gets `{}`; every other the same completion, at once.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import cast

import httptools

from local.runtime.event_loop import run_event_loop

CHUNKS = 100
MODEL = "gpt-5-mini"
_ASKS_FOR_A_STREAM = re.compile(rb'"stream"\s*:\s*true')
_COLLECTS = (b"/v1/traces", b"/v1/metrics", b"/v1/logs")
_USAGE = {"prompt_tokens": 25, "completion_tokens": CHUNKS, "total_tokens": 25 + CHUNKS}


def _whole(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def _completion() -> bytes:
    message = {"role": "assistant", "content": "The quick brown fox jumps over the lazy dog. " * 8}
    answer = {
        "id": "chatcmpl-0123456789abcdef",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _USAGE,
    }
    return _whole(b"200 OK", json.dumps(answer).encode())


def _stream() -> list[bytes]:
    """The pieces of a streamed answer as they go over the wire; the last holds all that ends it."""

    def event(delta: dict[str, str], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        chunk = {
            "id": "chatcmpl-0123456789abcdef",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": MODEL,
            "choices": [choice],
        }
        return framed(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    def framed(data: bytes) -> bytes:
        return b"%x\r\n%s\r\n" % (len(data), data)

    usage = {
        "id": "chatcmpl-0123456789abcdef",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [],
        "usage": _USAGE,
    }
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    words = [event({"content": f"word{number} "}) for number in range(CHUNKS - 1)]
    last = event({}, "stop") + framed(b"data: " + json.dumps(usage).encode() + b"\n\n")
    return [
        head + event({"role": "assistant", "content": ""}),
        *words,
        last + framed(b"data: [DONE]\n\n") + b"0\r\n\r\n",
    ]


_COMPLETION = _completion()
_STREAM = _stream()
_COLLECTED = _whole(b"200 OK", b"{}")
_ELSE = _whole(b"200 OK", b'{"object": "list", "data": []}')


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._url = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        url, body, self._url, self._body = self._url, self._body, b"", b""
        if url.endswith(_COLLECTS):
            self._transport.write(_COLLECTED)
        elif not body:
            self._transport.write(_ELSE)
        elif _ASKS_FOR_A_STREAM.search(body):
            self._send_from(0)
        else:
            self._transport.write(_COMPLETION)

    def _send_from(self, position: int) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(_STREAM[position])
        if position + 1 < len(_STREAM):
            self._loop.call_soon(self._send_from, position + 1)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    run_event_loop(_serve())
