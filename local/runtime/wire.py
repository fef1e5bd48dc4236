"""Uvicorn's HTTP/1.1 protocol, with a bound on the head of a request.

Uvicorn's has none: a head that never ends would be kept in memory for ever. The gateway's own bounds are lower and
answer with words of their own; this one is where Cloudflare's edge has it, and closes the connection.
"""

from __future__ import annotations

import json
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lumigate.http.security import BASE_HEADERS
from lumigate.http.settings import PLATFORM_HEADER_BYTES, PLATFORM_URL_BYTES

_OFFER = re.compile(rb"\r\n(?:upgrade|http2-settings):[^\r\n]*", re.IGNORECASE)
MAX_HEAD_BYTES = PLATFORM_URL_BYTES + PLATFORM_HEADER_BYTES


class BoundedHeadProtocol(HttpToolsProtocol):
    """Answers 431 to a head that is longer than `MAX_HEAD_BYTES`; trailers are read and forgotten."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._began = False
        self._in_head = False
        self._head_bytes = 0
        self._between = True
        """No request is under way: what comes next begins one."""

    def data_received(self, data: bytes) -> None:
        self._began = False
        if self._between:
            data = _without_offers(data)
        super().data_received(data)
        # The piece that a head began in may hold the end of a body as well; it is small, and not counted.
        if self._in_head and not self._began and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.write(_too_large())
                self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP reaches no gateway; its answer reads as the gateway's all the same."""
        self.transport.write(_refusal("400 Bad Request", "invalid_http", msg))
        self.transport.close()

    def on_message_begin(self) -> None:
        self._began, self._in_head, self._head_bytes, self._between = True, True, 0, False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers would be taken for headers: the list is the one that the application has been given.
        if self._in_head:
            super().on_header(name, value)

    def on_message_complete(self) -> None:
        self._between = True
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()


def _without_offers(data: bytes) -> bytes:
    """The beginning of a request without its offer to speak another protocol, which a server may pass over.

    Java's own client offers HTTP/2 with every first request that goes without TLS, and the parser stops at an offer:
    the body would be lost (RFC 9110, section 7.8).
    """
    end = data.find(b"\r\n\r\n")
    if _OFFER.search(data, 0, max(0, end)) is None:
        return data
    return _OFFER.sub(b"", data[:end]) + data[end:]


def _too_large() -> bytes:
    message = f"The request's head is longer than {MAX_HEAD_BYTES} bytes."
    return _refusal("431 Request Header Fields Too Large", "headers_too_large", message)


def _refusal(status: str, code: str, message: str) -> bytes:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    body = json.dumps({"error": error}).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        "connection": "close",
        **BASE_HEADERS,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("ascii") + body
