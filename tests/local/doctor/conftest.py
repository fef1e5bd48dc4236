from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.local.doctor.checkout import make_checkout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout to make mistakes in."""
    return make_checkout(tmp_path)


class Neighbour:
    """A collector or an issuer: answers with what `answer` gives for method, path, headers and body."""

    def __init__(self) -> None:
        self.answer: Callable[[str, str, dict[str, str], bytes], tuple[int, Any]] = lambda *_: (200, {})
        self.headers: dict[str, str] = {}
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = ""


@pytest.fixture
def neighbour() -> Iterator[Neighbour]:
    """One on a port of its own."""
    one = Neighbour()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            one.seen.append((self.command, self.path, headers, body))
            status, content = one.answer(self.command, self.path, headers, body)
            answer = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response_only(status)
            now = self.date_time_string(time.time())
            for name, value in ({"Date": now} | one.headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = _serve  # noqa: N815 (the names that the base class calls)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield one
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)
