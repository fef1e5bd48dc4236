"""An OTLP/HTTP collector on the loopback that reads what it gets with the official `opentelemetry-proto` messages.

Requests that the official parser refuses are answered 400 and kept in `refused`, so a test that looks there fails.
"""

from __future__ import annotations

import base64
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_MESSAGES: dict[str, Callable[[], Message]] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}
_HEX_FIELDS = frozenset({"traceId", "spanId", "parentSpanId"})


class Collector:
    """What arrived, in order. Safe to read while it runs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[tuple[str, dict[str, str], Message]] = []
        self.refused: list[tuple[str, bytes]] = []
        self.turned_away = 0
        """Requests that were answered 503."""
        self.is_down = False
        self.pause_seconds = 0.0
        """How long it takes over each answer."""
        self.changed = threading.Condition()

    def clear(self) -> None:
        with self.changed:
            self.requests.clear()

    def spans(self) -> list[Span]:
        with self.changed:
            return [
                span
                for path, _, message in self.requests
                if path == "/v1/traces" and isinstance(message, ExportTraceServiceRequest)
                for resource_spans in message.resource_spans
                for scope_spans in resource_spans.scope_spans
                for span in scope_spans.spans
            ]

    def metrics(self) -> list[Metric]:
        with self.changed:
            return [
                metric
                for path, _, message in self.requests
                if path == "/v1/metrics" and isinstance(message, ExportMetricsServiceRequest)
                for resource_metrics in message.resource_metrics
                for scope_metrics in resource_metrics.scope_metrics
                for metric in scope_metrics.metrics
            ]

    def logs(self) -> list[LogRecord]:
        with self.changed:
            return [
                record
                for path, _, message in self.requests
                if path == "/v1/logs" and isinstance(message, ExportLogsServiceRequest)
                for resource_logs in message.resource_logs
                for scope_logs in resource_logs.scope_logs
                for record in scope_logs.log_records
            ]

    def wait_for[T](self, find: Callable[[Collector], T], timeout_seconds: float = 60.0) -> T:
        """What `find` returns as soon as it is truthy. Raises `TimeoutError`."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            if found := find(self):
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"not found among {len(self.requests)} exports")
            with self.changed:
                self.changed.wait(min(left, 0.2))

    def trace(self, trace_id: str, *, with_span: str = "", timeout_seconds: float = 60.0) -> dict[str, Span]:
        """All spans of a trace by name, once one called `with_span` (or a root) is among them."""

        def find(collector: Collector) -> dict[str, Span]:
            spans = [span for span in collector.spans() if span.trace_id.hex() == trace_id]
            names = {span.name: span for span in spans}
            return names if (with_span in names if with_span else names) else {}

        return self.wait_for(find, timeout_seconds)


@contextmanager
def running_collector() -> Iterator[Collector]:
    """A collector on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            time.sleep(collector.pause_seconds)
            if collector.is_down:
                with collector.changed:
                    collector.turned_away += 1
                    collector.changed.notify_all()
                self._answer(503)
                return
            try:
                message = _parse(self.path, headers, body)
            except Exception:
                with collector.changed:
                    collector.refused.append((self.path, body))
                self._answer(400)
                return
            with collector.changed:
                collector.requests.append((self.path, headers, message))
                collector.changed.notify_all()
            self._answer(200)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def _parse(path: str, headers: dict[str, str], body: bytes) -> Message:
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    message = _MESSAGES[path]()
    if headers["content-type"] == "application/x-protobuf":
        message.ParseFromString(body)
    else:
        json_format.ParseDict(_hex_to_base64(json.loads(body)), message)
    return message


def _hex_to_base64(value: Any) -> Any:
    """OTLP/JSON writes ids in hex where proto3 JSON writes base64 (OTLP specification, «JSON Protobuf Encoding»)."""
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode()
            if key in _HEX_FIELDS
            else _hex_to_base64(item)
            for key, item in value.items()
        }
    return [_hex_to_base64(item) for item in value] if isinstance(value, list) else value


def attributes(record: Any) -> dict[str, Any]:
    """The attributes of a span, event or data point as plain values."""
    return {pair.key: _value(pair.value) for pair in record.attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None
