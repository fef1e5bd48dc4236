"""Who asks the Secrets Store beside the gateway: each for what it reads, and none is stopped by what it does not."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from tests.collector import running_collector
from tests.pyodide.production import production_host
from tests.pyodide.runner import PATIENCE_S
from tests.pyodide.stored_secrets import MARK, VARIABLES, put, references, source_with

OBJECTS = """
from types import SimpleNamespace

from workers import Response, WorkerEntrypoint

from lumigate.platform.workers.session import SessionIndexObject, SessionObject
from lumigate.platform.workers.shard_object import ShardObject


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        sql = SimpleNamespace(exec=lambda *_: SimpleNamespace(raw=list))
        ctx = SimpleNamespace(storage=SimpleNamespace(sql=sql), id=SimpleNamespace(name="one"))
        for kind in (SessionObject, SessionIndexObject, ShardObject):
            await kind(ctx)._open()
        return Response("open")
"""


def test_an_object_asks_for_no_secret_that_it_does_not_read(tmp_path: Path) -> None:
    """It would wait for all of them, and be closed while one is missing."""
    source = source_with(tmp_path)
    (source / "objects.py").write_text(OBJECTS, "utf-8")
    bindings = references(
        {
            "OPENAI_API_KEY": None,
            "SESSION_IDLE_SECONDS": "77",
            "METRICS_TOKEN": "t",
            "OTEL_RESOURCE_ATTRIBUTES": "a=b",
        }
    )
    with production_host(VARIABLES, main="objects.py", src=source, bindings=bindings) as host:
        assert httpx.get(host.url, timeout=PATIENCE_S).text == "open"
        asked = {
            name: held["calls"] for name, held in host.state()["bindings"].items() if "calls" in (held or {})
        }
    assert asked == {
        "OPENAI_API_KEY": 0,
        "SESSION_IDLE_SECONDS": 1,
        "METRICS_TOKEN": 1,
        "OTEL_RESOURCE_ATTRIBUTES": 1,
    }


def test_a_secret_that_became_malformed_hides_no_death_from_the_tail_worker(tmp_path: Path) -> None:
    source = source_with(tmp_path, again_ms=100)
    headers = references({"OTEL_EXPORTER_OTLP_HEADERS": f"x-api-key=otlp-{MARK}"})
    died = {"outcome": "exceededCpu", "eventTimestamp": 1_700_000_000_000, "event": {"cron": "* * * * *"}}
    with running_collector() as collector:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "20"}
        with production_host(variables, main="tail.py", src=source, bindings=headers) as host:
            assert host.control("tail", events=[died]) == {"outcome": "ok"}
            put(host, "OTEL_EXPORTER_OTLP_HEADERS", value=f"{MARK} and no more")
            time.sleep(0.2)  # until it is read again
            collector.clear()
            assert host.control("tail", events=[died]) == {"outcome": "ok"}
            collector.wait_for(lambda c: len(c.spans()) == 1)
            assert "OTEL_EXPORTER_OTLP_HEADERS" in host.wait_for_log("configuration_error")
            assert MARK not in host.tail(10_000)


FORGETS = """
from workers import Response, WorkerEntrypoint

from lumigate.platform.workers.secrets_store import SecretsStore


class Held:
    value = "one"

    async def get(self):
        return self.value


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        store, held, seen = SecretsStore(), Held(), []
        for value in ("one", "one", "two"):
            held.value = value
            told = await store.values({"OPENAI_API_KEY": held})
            seen.append(f"{told['OPENAI_API_KEY']} {store.revision}")
            store.forget()
        return Response(", ".join(seen))
"""


def test_what_became_another_after_the_gateway_could_not_start_is_news_to_the_others(tmp_path: Path) -> None:
    """An object of the same isolate may have been built with the value of before."""
    source = source_with(tmp_path)
    (source / "forgets.py").write_text(FORGETS, "utf-8")
    with production_host(VARIABLES, main="forgets.py", src=source, bindings=references({})) as host:
        assert httpx.get(host.url, timeout=PATIENCE_S).text == "one 0, one 0, two 1"
