"""A collector on the loopback that can be taken away: it answers 200, or whatever status it is told to."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(slots=True, kw_only=True)
class SwitchedCollector:
    """`status` is what it answers from now on."""

    url: str = ""
    status: int = 200
    received: int = 0


@contextlib.contextmanager
def collecting() -> Iterator[SwitchedCollector]:
    collector = SwitchedCollector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            with contextlib.suppress(ConnectionError):
                self.answer()

        def answer(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            collector.received += collector.status == 200
            body = json.dumps({}).encode()
            self.send_response(collector.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
