"""A small HTTP server that behaves and misbehaves as the tests ask."""

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
        self.most_together = 0
        self.dropped = threading.Event()
        self.gate = threading.Event()
        """What `/gate` waits for."""
        self._together_now = 0
        self._changed = threading.Condition()
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
                try:
                    getattr(upstream, f"_{url.path.strip('/')}")(self, query, body)
                except (BrokenPipeError, ConnectionResetError):
                    upstream.dropped.set()
                    self.close_connection = True

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

    def _gate(self, handler: BaseHTTPRequestHandler, query: dict[str, str], body: bytes) -> None:
        self.gate.wait(60)
        self._answer(handler, b"open")

    def _meet(self, handler: BaseHTTPRequestHandler, query: dict[str, str], body: bytes) -> None:
        """Answer once `n` have been here together, and after a while in which one more could come."""
        with self._changed:
            self._together_now += 1
            self.most_together = max(self.most_together, self._together_now)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most_together >= int(query["n"]), timeout=60)
        time.sleep(0.1)
        with self._changed:  # before the answer: whoever gets it may send the next
            self._together_now -= 1
        self._answer(handler, b"met")

    def _redirect(self, handler: BaseHTTPRequestHandler, query: dict[str, str], body: bytes) -> None:
        self._answer(handler, b"", status=302, location="/echo")

    def _named(self, handler: BaseHTTPRequestHandler, query: dict[str, str], body: bytes) -> None:
        self._answer(handler, b"{}", 200, **{query["name"]: "odd"})

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
