"""What a rollout asks: a stand-in for Prometheus, Analytics Engine and Grafana over HTTP."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from tests.local.rollout.conftest import OLD
from tests.local.rollout.fake_wrangler import NEW


class Observability:
    """A Prometheus whose counts can be spoilt, and a Grafana that keeps annotations."""

    def __init__(self) -> None:
        self.bad_share = 0.0
        self.spoil_after_queries = 10**9
        self.queries = 0
        self.down = False
        self.requests = {OLD: 90_000, NEW: 10_000}
        self.bad_of_new = 0.0
        self.annotations: list[dict[str, Any]] = []
        self.url = ""

    def answer(self, path: str, body: str) -> tuple[int, Any]:
        if path == "/api/annotations":
            self.annotations.append(json.loads(body))
            return 200, {"id": 1}
        if self.down:
            return 503, {}
        self.queries += 1
        if path.endswith("/analytics_engine/sql"):
            return 200, {"data": self._rows(body)}
        query = parse_qs(body).get("query", [""])[0]
        if "faas_version" in query:
            return 200, {"data": {"result": self._by_version(query)}}
        return 200, {"data": {"result": self._samples(query)}}

    def _by_version(self, query: str) -> list[dict[str, Any]]:
        """What Prometheus has of each version; only the first promise suffers."""
        parts = re.findall(r'"part", "([^"/]+)/(part|total)/0"', query)
        assert {name for name, _ in parts} >= {"requests", "refused"}
        found = []
        for name, side in parts:
            for version, total in self.requests.items():
                bad = {"availability": self.bad_of_new if version == NEW else 0.0, "requests": 1.0}.get(
                    name, 0.0
                )
                labels = {"part": f"{name}/{side}/0", "faas_version": version}
                value = total if side == "total" else total * bad
                found.append({"metric": labels, "value": [0, str(value)]})
        return found

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        """What Analytics Engine has: integers of 64 bits as text."""
        if "GROUP BY version" not in sql:
            names = re.findall(r"AS (\w+)", sql)
            return [{name: "0" if name.startswith("bad") else "100000" for name in names}]
        bad = self.bad_of_new if "upstream_error" in sql else 0.0
        return [
            {
                "version": f"0.1.0+{name}",
                "bad": str(int(total * bad) if name == NEW else 0),
                "total": str(total),
            }
            for name, total in self.requests.items()
        ]

    def _samples(self, query: str) -> list[dict[str, Any]]:
        if "coverage" in query or "observed" in query:
            return [{"metric": {}, "value": [0, "1"]}]
        bad = self.bad_share if self.queries <= self.spoil_after_queries else 0.9
        value = 100_000 * (bad if "bad" in query.split("{", maxsplit=1)[0] else 1)
        ranges = [part.split('"')[1] for part in query.split('"range", ')[1:]]
        return [{"metric": {"range": each}, "value": [0, str(value)]} for each in ranges]


@contextmanager
def serving() -> Iterator[Observability]:
    """One on a port of its own."""
    one = Observability()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            status, content = one.answer(self.path, body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

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
