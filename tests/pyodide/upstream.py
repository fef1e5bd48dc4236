"""A small HTTP server that behaves and misbehaves as the tests ask; it counts what is open."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


class Upstream:
    """Serves on the loopback while the context is entered."""

    def __init__(self) -> None:
        self.open = 0
        self.most_open = 0
        self.dropped = threading.Event()
        self._lock = threading.Lock()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                query = {name: values[-1] for name, values in parse_qs(url.query).items()}
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                with upstream._lock:
                    upstream.open += 1
                    upstream.most_open = max(upstream.most_open, upstream.open)
                try:
                    getattr(upstream, f"_{url.path.strip('/')}")(self, query, body)
                except (BrokenPipeError, ConnectionResetError):
                    upstream.dropped.set()
                    self.close_connection = True
                finally:
                    with upstream._lock:
                        upstream.open -= 1

            do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815 - names the base class looks for

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @staticmethod
    def _answer(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def _echo(self, handler: BaseHTTPRequestHandler, query: dict[str, str], body: bytes) -> None:
        seen = {"method": handler.command, "headers": dict(handler.headers.items()), "body": body.decode()}
        self._answer(handler, json.dumps(seen).encode(), content_type="application/json")

    def _slow(self, handler: BaseHTTPRequestHandler, query: dict[str, str], body: bytes) -> None:
        time.sleep(float(query.get("s", "0.2")))
        self._answer(handler, b"slow")

    def _redirect(self, handler: BaseHTTPRequestHandler, query: dict[str, str], body: bytes) -> None:
        self._answer(handler, b"", status=302, location="/echo")

    def _reset(self, handler: BaseHTTPRequestHandler, query: dict[str, str], body: bytes) -> None:
        handler.close_connection = True
        handler.connection.close()

    def _truncated(self, handler: BaseHTTPRequestHandler, query: dict[str, str], body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "100")
        handler.end_headers()
        handler.wfile.write(b"only a part")
        handler.wfile.flush()
        handler.close_connection = True

    def _chunks(self, handler: BaseHTTPRequestHandler, query: dict[str, str], body: bytes) -> None:
        """Send `n` chunks, `s` seconds apart."""
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for i in range(int(query.get("n", "5"))):
            data = f"chunk {i}\n".encode()
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            handler.wfile.flush()
            time.sleep(float(query.get("s", "0.01")))
        handler.wfile.write(b"0\r\n\r\n")
