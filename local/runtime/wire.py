"""Uvicorn's HTTP/1.1 protocol, with a bound on the head of a request.

Uvicorn's has none: a head that never ends would be kept in memory for ever. The gateway's own bounds are lower and
answer with words of their own; this one is where Cloudflare's edge has it, and closes the connection.
"""

from __future__ import annotations

import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lumigate.http.security import BASE_HEADERS
from lumigate.http.settings import PLATFORM_HEADER_BYTES, PLATFORM_URL_BYTES

MAX_HEAD_BYTES = PLATFORM_URL_BYTES + PLATFORM_HEADER_BYTES


class BoundedHeadProtocol(HttpToolsProtocol):
    """Answers 431 to a head that is longer than `MAX_HEAD_BYTES`; trailers are read and forgotten."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._began = False
        self._in_head = False
        self._head_bytes = 0

    def data_received(self, data: bytes) -> None:
        self._began = False
        super().data_received(data)
        # The piece that a head began in may hold the end of a body as well; it is small, and not counted.
        if self._in_head and not self._began and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.write(_too_large())
                self.transport.close()

    def on_message_begin(self) -> None:
        self._began, self._in_head, self._head_bytes = True, True, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers would be taken for headers: the list is the one that the application has been given.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()


def _too_large() -> bytes:
    error = {
        "message": f"The request's head is longer than {MAX_HEAD_BYTES} bytes.",
        "type": "invalid_request_error",
        "param": None,
        "code": "headers_too_large",
    }
    body = json.dumps({"error": error}).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "connection": "close",
        **BASE_HEADERS,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 431 Request Header Fields Too Large\r\n{head}\r\n".encode("ascii") + body
