"""The faults themselves: what the mock upstream does instead of a good answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from local.mocks.directives import Directive
from local.mocks.wire import Exchange

EVENT_STREAM = "text/event-stream; charset=utf-8"

_ERROR_TYPES = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
_HTML = b"<!DOCTYPE html>\n<html><title>Bad Gateway</title><body><h1>Bad Gateway</h1></body></html>\n"
_CUT_JSON = b'{"id":"chatcmpl-mock","object":"chat.completion","choices":[{"index":0,"mess'


def error_body(status: int, message: str) -> bytes:
    """An error in OpenAI's shape."""
    default = ("invalid_request_error", None) if status < 500 else ("server_error", None)
    kind, code = _ERROR_TYPES.get(status, default)
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


async def break_answer(directive: Directive, exchange: Exchange) -> bool:
    """Commit a fault that takes the place of the whole answer; False if the answer is to be given."""
    match directive.fault:
        case "":
            return False
        case "timeout":
            await _until_the_client_leaves()
        case "reset":
            exchange.reset()
        case "garbage":
            exchange.raw(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            exchange.close()
        case "html":
            exchange.respond(directive.status or 200, _HTML, "text/html; charset=utf-8")
        case "empty":
            exchange.respond(200, b"")
        case "invalid-json":
            exchange.respond(200, _CUT_JSON)
        case "wrong-json":
            exchange.respond(200, b'{"hello":["world"]}')
        case fault if fault.startswith("status-"):
            headers = {"retry-after": directive.retry_after} if directive.retry_after else {}
            if directive.status == 429:
                headers.setdefault("retry-after", "1")
            body = error_body(directive.status, "mock: as asked")
            exchange.respond(directive.status, body, headers=headers)
        case _:
            return False
    return True


async def break_stream(directive: Directive, exchange: Exchange, events: Sequence[bytes]) -> None:
    """Send `events` as a stream, at the directive's pace and with its fault."""
    exchange.start(200, EVENT_STREAM, {"cache-control": "no-cache"})
    pause = directive.chunk_ms / 1000
    match directive.fault:
        case "no-done":
            events = events[:-1]
        case "split":
            size = directive.bytes or 7
            whole = b"".join(events)
            events = [whole[start : start + size] for start in range(0, len(whole), size)]
        case "reset-mid" | "half-event" | "half-event-clean" | "stall" | "error-event":
            events, broken = events[: directive.after], events[directive.after]
            await _send(exchange, events, pause)
            await _break_off(directive.fault, exchange, broken)
            return
    await _send(exchange, events, pause)
    exchange.end()


async def _send(exchange: Exchange, events: Sequence[bytes], pause: float) -> None:
    for event in events:
        await exchange.write(event)
        if pause:
            await asyncio.sleep(pause)


async def _break_off(fault: str, exchange: Exchange, event: bytes) -> None:
    match fault:
        case "stall":
            await _until_the_client_leaves()
        case "reset-mid":
            await asyncio.sleep(0.05)  # a reset throws away what the client has not read yet
            exchange.reset()
        case "error-event":
            await exchange.write(b"data: " + error_body(500, "mock: failed in the middle") + b"\n\n")
            exchange.end()
        case "half-event-clean":
            await exchange.write(event[: len(event) // 2])
            exchange.end()
        case _:
            await exchange.write(event[: len(event) // 2])
            exchange.close()


async def _until_the_client_leaves() -> None:
    """Wait for good: the server cancels the handler when the connection is lost."""
    await asyncio.Event().wait()
