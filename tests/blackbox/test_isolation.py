"""Two tenants who ask the same at the same time share nothing: no answer, no session, no budget, no telemetry."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.blackbox.conftest import PATIENCE
from tests.blackbox.kept import RUNTIMES, Watched
from tests.midnight import stay_clear_of_midnight

CHAT = "/v1/chat/completions"
TENANTS = ("red", "blue")
PROMPTS, ROUNDS = 6, 5


@contextmanager
def _oracle() -> Iterator[str]:
    """A provider that never says the same twice."""
    numbers = itertools.count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            said = f"words-{next(numbers)}-{uuid.uuid4().hex}"
            choice = {
                "index": 0,
                "message": {"role": "assistant", "content": said},
                "finish_reason": "stop",
            }
            usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
            answer = json.dumps(
                {
                    "id": "c",
                    "object": "chat.completion",
                    "created": 1,
                    "model": body["model"],
                    "choices": [choice],
                    "usage": usage,
                }
            ).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def _settings(oracle_url: str) -> dict[str, Any]:
    return {
        "ENVIRONMENT": "test",
        "SEALING_KEYS": "k1:" + base64.b64encode(bytes(range(32))).decode(),
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "LEDGER_TIMEOUT_MS": "20000",
        "CACHE_L2_BUDGET_MS": "10000",
        "CACHE_L3_BUDGET_MS": "10000",
        "CACHE_STAMPEDE_MS": "10000",
        "CACHE_NEAR_THRESHOLD": "0.5",
        "TENANT_LIMITS": json.dumps({"*": {"requests_per_minute": 10_000, "usd_per_day": 1000}}),
        "PROVIDERS": json.dumps({"oracle": {"base_url": oracle_url}}),
        "MODELS": json.dumps({"m": {"provider": "oracle", "model": "m", "output_usd_per_mtok": 1000}}),
    }


@dataclass(kw_only=True)
class Hammered:
    """What each tenant was answered: the words, what the cache said, the ids of the requests."""

    watched: Watched
    words: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    cache: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    requests: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def headers(self, tenant: str) -> dict[str, str]:
        """The same subject in both tenants: only the tenant tells them apart."""
        return {"authorization": f"Bearer {self.watched.issuer.valid(sub='same', tenant=tenant)}"}


async def _hammer(hammered: Hammered) -> None:
    limits = httpx.Limits(max_connections=30)
    async with httpx.AsyncClient(base_url=hammered.watched.url, timeout=60, limits=limits) as client:

        async def ask(tenant: str, prompt: int, round_number: int) -> None:
            # The same words, written a little differently now and then, for near matching.
            text = f"What is the answer to question number {prompt}?" + " " * (round_number % 2)
            body = {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": text}]}
            answer = await client.post(CHAT, json=body, headers=hammered.headers(tenant))
            assert answer.status_code == 200, answer.text
            hammered.words[tenant].append(answer.json()["choices"][0]["message"]["content"])
            hammered.cache[tenant].append(answer.headers["x-lumigate-cache"])
            hammered.requests[tenant].append(answer.headers["x-request-id"])

        for round_number in range(ROUNDS):
            asked = [ask(t, p, round_number) for p in range(PROMPTS) for t in TENANTS for _ in range(2)]
            await asyncio.gather(*asked)


@pytest.fixture(scope="module", params=RUNTIMES)
def hammered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hammered]:
    stay_clear_of_midnight()
    folder = tmp_path_factory.mktemp("isolation")
    with _oracle() as url, RUNTIMES[request.param](_settings(url), folder) as watched:
        found = Hammered(watched=watched)
        asyncio.run(_hammer(found))
        yield found


def test_neither_is_ever_given_the_others_words(hammered: Hammered) -> None:
    red, blue = (set(hammered.words[tenant]) for tenant in TENANTS)
    assert red & blue == set()
    for tenant in TENANTS:
        assert len(hammered.words[tenant]) == PROMPTS * ROUNDS * 2
        assert any(said.startswith("hit-") for said in hammered.cache[tenant]), "the cache had no part in it"


def test_each_pays_for_its_own_requests_only(hammered: Hammered) -> None:
    for tenant in TENANTS:
        answer = httpx.get(
            f"{hammered.watched.url}/v1/usage", headers=hammered.headers(tenant), timeout=PATIENCE
        )
        limits = answer.json()["limits"]
        # Its own, as far as they are not a minute old by now.
        assert limits["requests_per_minute"]["used"] <= PROMPTS * ROUNDS * 2
        misses = sum(said in ("miss", "bypass") for said in hammered.cache[tenant])
        hammered.watched.wait_until(lambda t=tenant: _spent(hammered, t)[1] == 0)  # type: ignore[misc]
        assert _spent(hammered, tenant)[0] == pytest.approx(misses * 10 * 1000 / 1e6)


def _spent(hammered: Hammered, tenant: str) -> tuple[float, float]:
    answer = httpx.get(f"{hammered.watched.url}/v1/usage", headers=hammered.headers(tenant), timeout=PATIENCE)
    day = answer.json()["limits"]["usd_per_day"]
    return day["used"], day["reserved"]


def test_each_request_is_told_under_its_own_tenant(hammered: Hammered) -> None:
    hammered.watched.settled()
    for request_ids in hammered.requests.values():
        hammered.watched.event(request_ids[-1])
    told = {e["request_id"]: e["tenant"] for e in hammered.watched.events() if e.get("event") == "request"}
    for tenant in TENANTS:
        assert {told[request_id] for request_id in hammered.requests[tenant]} == {tenant}
    hammered.watched.wait_until(
        lambda: (
            len([s for s in hammered.watched.collector.spans() if s.name == f"POST {CHAT}"])
            >= 2 * PROMPTS * ROUNDS * 2
        )
    )
    owner = {i: tenant for tenant in TENANTS for i in hammered.requests[tenant]}
    for span in hammered.watched.collector.spans():
        found = {a.key: a.value.string_value for a in span.attributes}
        if found.get("lumigate.request.id") in owner:
            assert found["lumigate.tenant"] == owner[found["lumigate.request.id"]]


def test_a_session_of_one_is_not_there_for_the_other(hammered: Hammered) -> None:
    # Neither is one whose requests are counted here.
    red, blue = (hammered.headers(tenant) for tenant in ("crimson", "azure"))
    with httpx.Client(base_url=hammered.watched.url, timeout=PATIENCE) as client:
        made = client.post("/sessions", json={"model": "m"}, headers=red)
        assert made.status_code == 201, made.text
        path = f"/sessions/{made.json()['id']}"
        said = client.post(f"{path}/messages", json={"content": "hello"}, headers=red)
        assert said.status_code == 200, said.text
        for method, where, body in (
            ("GET", path, None),
            ("GET", f"{path}/code", None),
            ("POST", f"{path}/messages", {"content": "mine?"}),
            ("DELETE", path, None),
        ):
            answer = client.request(method, where, json=body, headers=blue)
            assert answer.status_code == 404, (method, where)
            assert said.json()["answer"] not in answer.text
        turns = client.get(path, headers=red).json()["turns"]
        assert [turn["answer"] for turn in turns] == [said.json()["answer"]]
