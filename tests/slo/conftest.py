"""What the tests of `slo status` share."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.slo.stand_ins import Answer


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """A server that answers with what a function of path and body gives."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
                status, content = answer(self.path, body)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(
                    content.encode() if isinstance(content, str) else json.dumps(content).encode()
                )

            do_GET = do_POST = _answer  # noqa: N815 (the names that the base class calls)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
