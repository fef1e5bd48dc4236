"""Memory and imports: what the engine may hold, and what it may touch."""

from __future__ import annotations

import subprocess
import sys

from local.toolchain import ROOT
from lumigate.telemetry.sizes import spans_bytes
from tests.telemetry.fakes import make_rig

MEMORY = """
import gc, tracemalloc
from tests.telemetry.fakes import make_rig
body = {
    "http.request.method": "POST",
    "http.route": "/v1/chat/completions",
    "gen_ai.request.model": "model",
}
rig = make_rig()
tracer = rig.telemetry.tracer("t")
gc.collect()
tracemalloc.start()
before, _ = tracemalloc.get_traced_memory()
for n in range(250):
    root = tracer.start_span("root", parent=None)
    for m in range(8):
        own = {
            "url.full": f"https://upstream.example/{n}/{m}",
            "request.id": f"{n:032d}",
            "tokens": 1000 + n,
            "cost": n / 7,
            "tenant": f"tenant-{n}-{m}",
        }
        span = root if m == 0 else tracer.start_span("child", parent=root)
        span.set_attributes({**body, **own})
        if m:
            span.end()
    root.end()
gc.collect()
used = tracemalloc.get_traced_memory()[0] - before
queue = rig.telemetry._queues["traces"][0]
print(queue.items, used, queue.bytes)
"""


def test_2000_buffered_spans_of_8_attributes_take_at_most_3_mb() -> None:
    """Three attributes are constants of the program; five belong to the span alone.

    In a process of its own: what other tests have left in this one counts as well.
    """
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, cwd=ROOT
    )
    items, used, estimate = map(int, done.stdout.split())
    assert items == 2000
    assert used <= 3_000_000
    # the estimate that the bound in bytes relies on errs upwards, but not far
    assert used <= estimate <= 2 * used
    assert spans_bytes([], 0) == 0


def test_the_buffers_bytes_are_bounded_whatever_the_attributes() -> None:
    rig = make_rig(
        {"LUMIGATE_TELEMETRY_QUEUE_BYTES": "200000", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "1000000"}
    )
    for n in range(100):
        attributes = {"big": "x" * 50_000, "n": n}
        rig.telemetry.tracer("t").start_span("s", parent=None, attributes=attributes).end()
    queue = rig.telemetry._queues["traces"][0]
    assert 0 < queue.bytes <= 200_000
    assert rig.telemetry.stats().dropped["traces", "queue_full"] >= 96


IMPORT_RULES = """
import os, random, secrets, socket, sys, threading, time, uuid
import opentelemetry.trace, opentelemetry.metrics, opentelemetry._logs, opentelemetry.propagate, opentelemetry.baggage
import opentelemetry.trace.propagation.tracecontext, opentelemetry.baggage.propagation
before = set(sys.modules)

def forbidden(*args, **kwargs):
    raise RuntimeError("forbidden at import")

os.urandom = uuid.uuid4 = random.random = random.getrandbits = secrets.token_bytes = forbidden
time.time = time.time_ns = forbidden
threading.Thread.start = socket.socket.connect = forbidden
from lumigate.telemetry import Telemetry, TelemetryConfig

class Port:
    def now_ns(self): raise RuntimeError("clock read")
    async def sleep(self, seconds): raise RuntimeError("slept")
    def random_bytes(self, count): raise RuntimeError("entropy drawn")

settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}
telemetry = Telemetry(TelemetryConfig.from_environ(settings), clock=Port(), entropy=Port())
telemetry.tracer("t"), telemetry.meter_provider.get_meter("m").create_counter("c"), telemetry.logger("l")
new = {name.partition(".")[0] for name in set(sys.modules) - before}
third_party = new - set(sys.stdlib_module_names) - {"lumigate", "opentelemetry"}
assert not third_party, third_party
ours = {name for name in sys.modules if name.startswith("lumigate.")}
assert all(name.startswith("lumigate.telemetry") for name in ours), ours
sdk = {name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "google"))}
assert not sdk, sdk
"""


def test_importing_and_making_the_engine_needs_no_entropy_clock_thread_or_sdk() -> None:
    """On Workers that happens once, at deploy, where all of these fail."""
    result = subprocess.run([sys.executable, "-c", IMPORT_RULES], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
