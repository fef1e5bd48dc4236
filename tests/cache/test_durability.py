"""What lies in the tiers of the embedded runtime outlives the process, however it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from local.runtime.blobs import SqliteBlobs
from local.runtime.clock import AnchoredClock
from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import run_in_thread
from local.runtime.key_value import SqliteKeyValue
from local.runtime.sqlite import Database
from lumigate.cache.entry import Entry

ROOT = Path(__file__).resolve().parents[2]
WRITER = """
import asyncio, hashlib, itertools, sys
from pathlib import Path
from local.runtime.blobs import SqliteBlobs
from local.runtime.clock import AnchoredClock
from local.runtime.key_value import SqliteKeyValue
from local.runtime.sqlite import Database
from lumigate.cache.entry import Entry

async def main():
    clock = AnchoredClock()
    with Database(Path(sys.argv[1])) as database:
        kv, blobs = SqliteKeyValue(database, clock), SqliteBlobs(database, clock)
        for number in itertools.count():
            body = hashlib.shake_128(str(number).encode()).digest(200 if number % 5 else 150_000)
            entry = Entry(content_type="a", provider="b", model="c", input_tokens=1, output_tokens=1, cost_usd=0.0,
                          asked_ns=0, fresh_ns=1, expires_ns=2**62, body=body)
            await kv.put(f"cache/k/{number}", entry.to_bytes(), ttl_seconds=3600)
            await blobs.put(f"cache/k/{number}", entry.to_bytes())
            print(number, flush=True)

asyncio.run(main())
"""


def test_no_entry_that_was_written_is_lost_or_torn_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    command = [sys.executable, "-c", WRITER, str(path)]
    environ = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ) as process:
        assert process.stdout is not None
        for _ in range(200):
            assert process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)  # in the middle of the writes that follow
        written = 199 + len(process.stdout.read().splitlines())
        process.wait(60)

    async def check() -> None:
        with Database(path) as database:
            clock = AnchoredClock()
            for store in (SqliteKeyValue(database, clock), SqliteBlobs(database, clock)):
                for number in range(written + 1):
                    data = await store.get(f"cache/k/{number}")
                    assert data is not None, f"entry {number} of {written} is lost"
                    Entry.from_bytes(data)
                names, _ = await store.names("cache/", limit=100_000, cursor=None)
                for name in names:
                    assert Entry.from_bytes(
                        await store.get(name) or b""
                    ).body  # what came after is whole, too

    asyncio.run(check())


PATIENT = {"CACHE_L2_BUDGET_MS": "10000", "CACHE_L3_BUDGET_MS": "10000"}
"""A busy machine is no sign of a store that is slow."""


def test_a_restart_of_the_embedded_runtime_loses_no_answer(tmp_path: Path) -> None:
    bodies = [
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"question {number}"}]}
        for number in range(10)
    ]
    outcomes: list[list[str]] = []
    contents: list[list[bytes]] = []
    for _ in range(2):
        runtime = EmbeddedRuntime(PATIENT, data=tmp_path)
        with run_in_thread(runtime), httpx.Client(base_url=runtime.url, timeout=60) as client:
            headers = {"authorization": f"Bearer {runtime.issuer.valid()}"}
            answers = [client.post("/v1/chat/completions", json=body, headers=headers) for body in bodies]
            outcomes.append([answer.headers["x-lumigate-cache"] for answer in answers])
            contents.append([answer.content for answer in answers])
    assert outcomes == [["miss"] * 10, ["hit-l2"] * 10]
    assert contents[0] == contents[1]
    with Database(tmp_path / "lumigate.sqlite3") as database:
        assert database.read("SELECT count(*) FROM blobs WHERE key LIKE 'cache/%'") == [(10,)]
