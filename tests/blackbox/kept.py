"""A gateway of whose everything can be seen: what each store keeps, and all that left the process."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.mocks.issuer import Issuer
from local.mocks.openai_upstream import OpenAIUpstream
from local.runtime.development import development_settings
from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import run_in_thread
from tests.blackbox.conftest import _mocks
from tests.collector import Collector, running_collector
from tests.pyodide.production import production_host, suite_bindings

COLLECTOR = "http://collector.invalid"
"""In a setting: the address of the collector that is started."""


@dataclass(kw_only=True)
class Watched:
    """A running gateway."""

    name: str
    url: str
    issuer: Issuer
    upstream: OpenAIUpstream
    collector: Collector
    lines: Callable[[], list[str]]
    is_idle: Callable[[], bool]
    """Whether no request is in progress, and nothing that one left to do."""
    places: Callable[[], dict[str, bytes]]
    """`kv`, `r2`, `r2-eu`, `objects`, `objects-eu`, `points` → all that lies there, keys included."""

    def headers(self, tenant: str = "acme", **more: str) -> dict[str, str]:
        token = self.issuer.valid(sub=f"user-of-{tenant}", tenant=tenant)
        return {"authorization": f"Bearer {token}"} | {k.replace("_", "-"): v for k, v in more.items()}

    def events(self) -> list[dict[str, Any]]:
        """The wide events."""
        return [json.loads(line) for line in self.lines() if line.startswith("{")]

    def wait_until(self, condition: Callable[[], bool], timeout_seconds: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            assert time.monotonic() < deadline, "what was waited for did not happen"
            time.sleep(0.05)

    def settled(self) -> dict[str, bytes]:
        """What lies in each place once no request has anything left to write."""
        found: dict[str, bytes] = {}

        def is_settled() -> bool:
            nonlocal found
            before, found = found, self.places() if self.is_idle() else {}
            return bool(found) and (found["kv"], found["r2"]) == (before.get("kv"), before.get("r2"))

        self.wait_until(is_settled)
        return found

    def event(self, request_id: str) -> dict[str, Any]:
        """The wide event of a request, once it is there."""
        self.wait_until(lambda: any(e.get("request_id") == request_id for e in self.events()))
        return next(e for e in self.events() if e.get("request_id") == request_id)

    def exported(self) -> str:
        """Everything that the collector was sent, decoded, as text."""
        with self.collector.changed:
            return "\n".join(str(message) for _, _, message in self.collector.requests)


_OWN = "lumigate:"
"""Before the keys that the cron trigger writes; they are of no request."""


def _rows(path: Path, tables: tuple[str, ...] = ()) -> bytes:
    """All rows of a database; of some tables only, if they are named."""
    if not path.exists():
        return b""
    found: list[bytes] = []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for name in names:
            if not tables or name in tables:
                for row in connection.execute(f'SELECT * FROM "{name}"'):  # noqa: S608 - its own table
                    if str(row[0]).startswith(_OWN):
                        continue
                    found += [v if isinstance(v, bytes) else str(v).encode() for v in row if v is not None]
    return b"\n".join(found)


def _embedded_places(data: Path) -> dict[str, bytes]:
    database = data / "lumigate.sqlite3"

    def objects(folder: Path) -> bytes:
        files = [folder / "sessions.sqlite3", *sorted((folder / "ledgers").glob("*.sqlite3"))]
        return b"\n".join(_rows(file) for file in files)

    return {
        "kv": _rows(database, ("key_value",)),
        "r2": _rows(database, ("blobs",)),
        "points": _rows(database, ("data_points",)),
        "objects": objects(data),
        "r2-eu": _rows(data / "eu" / "blobs.sqlite3"),
        "objects-eu": objects(data / "eu"),
        "shards": b"\n".join(_rows(file) for file in sorted((data / "shards").glob("*.sqlite3"))),
    }


def _with(collector: Collector, settings: Mapping[str, Any]) -> dict[str, Any]:
    known = {"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, **settings}
    return {name: collector.url if value == COLLECTOR else value for name, value in known.items()}


_OBJECTS = ("SESSION", "SESSION_INDEX", "TENANT_LEDGER")


def _pyodide_places(state: Mapping[str, Any]) -> dict[str, bytes]:
    bindings = state["bindings"]

    def text(value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") if value else b""

    def objects(wanted: bool) -> bytes:
        found = {
            f"{binding}/{name}": kept
            for binding in _OBJECTS
            for name, kept in bindings[binding].items()
            if name.startswith("eu:") == wanted
        }
        return text(found)

    return {
        "kv": text({key: kept for key, kept in bindings["CACHE"].items() if not key.startswith(_OWN)}),
        "r2": text(bindings["BLOBS"]),
        "r2-eu": text(bindings["BLOBS_EU"]),
        "points": text(bindings["POINTS"]),
        "objects": objects(wanted=False),
        "objects-eu": objects(wanted=True),
        "shards": text(bindings["METRICS_SHARD"]),
    }


@contextmanager
def embedded(settings: Mapping[str, Any], data: Path) -> Iterator[Watched]:
    with running_collector() as collector:
        runtime = EmbeddedRuntime(_with(collector, settings), data=data)
        with run_in_thread(runtime):
            lines: list[str] = []
            runtime.ports.console.listen(lines.append)
            yield Watched(
                name="embedded",
                url=runtime.url,
                issuer=runtime.issuer,
                upstream=runtime.upstream,
                collector=collector,
                lines=lambda: list(lines),
                is_idle=lambda: not runtime.ports.background.pending,
                places=lambda: _embedded_places(data),
            )


@contextmanager
def pyodide(settings: Mapping[str, Any], _data: Path) -> Iterator[Watched]:
    with ExitStack() as stack:
        collector = stack.enter_context(running_collector())
        upstream, issuer = stack.enter_context(_mocks())
        variables = development_settings(jwks_url=issuer.jwks_url, openai_base_url=upstream.base_url)
        variables |= _with(collector, settings)
        present = {name: value for name, value in variables.items() if value is not None}
        host = stack.enter_context(production_host(present, bindings=suite_bindings()))
        yield Watched(
            name="pyodide",
            url=host.url,
            issuer=issuer,
            upstream=upstream,
            collector=collector,
            lines=lambda: [*host.logs(), *host.tail(100_000).splitlines()],
            is_idle=lambda: not host.state()["invocations"],
            places=lambda: _pyodide_places(host.state()),
        )


RUNTIMES = {"embedded": embedded, "pyodide": pyodide}
