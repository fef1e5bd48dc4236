"""Traffic with a known mix: errors, a slow model, an expired key set, a collector outage, and what follows from them.

`sent` counts what went out, by kind, so that a panel's number can be compared with it. What the embedded runtime cannot
suffer (an invocation that the platform kills, a defect of the engine) reaches the shard as it does in production: as a
batch of deltas from another writer.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx

from local.mocks.issuer import SigningKey, TokenMint
from local.runtime.in_thread import RuntimeInThread
from lumigate import catalog
from lumigate.shard import Outbox
from lumigate.shard import self_metrics as shard
from lumigate.telemetry import self_metrics as own
from lumigate.telemetry.records import DELTA, MetricData, NumberPoint, Scope
from lumigate.telemetry.schema import Metric
from lumigate.telemetry.streams import OVERFLOW
from tests.dashboards import occasions
from tests.dashboards.collector import SwitchedCollector
from tests.dashboards.occasions import Occasions

CHAT: Final = "/v1/chat/completions"
RATE_LIMIT: Final = 150
"""Requests a minute and tenant; only the tenant `noisy` sends more."""
SLOW_MS: Final = 1400
"""Two buckets above what a fast answer takes on a slow machine."""
LIMITED: Final = 10
"""So many of `noisy` are turned away."""
PRICED: Final = {"input_usd_per_mtok": 1000.0, "output_usd_per_mtok": 5000.0}
"""Dear enough that a test's few calls give figures worth comparing."""
MODELS: Final[dict[str, Any]] = {
    "fast": {"provider": "openai", "model": "fast-1", **PRICED},
    "slow": {"provider": "openai", "model": "slow-1", **PRICED},
    "pair": [
        {"provider": "broken", "model": "broken-1", "quality": 1.0, **PRICED},
        {"provider": "openai", "model": "fast-1", "quality": 0.0, **PRICED},
    ],
    "free": {"provider": "openai", "model": "unpriced-1"},
    "elsewhere": {"provider": "openai", "model": "fast-1", "deny_countries": ["DE"], **PRICED},
}


def settings(collector: SwitchedCollector, nowhere: str) -> dict[str, Any]:
    """A runtime in which all of this can happen within seconds. `nowhere` is a provider's address that fails."""
    return {
        "ENVIRONMENT": "test",
        "OTEL_SERVICE_NAME": "lumigate",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_BSP_MAX_QUEUE_SIZE": "120",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "30",
        "METRICS_SCRAPE_HOLD_SECONDS": "3",
        "METRICS_EXPORT_SECONDS": "1",
        "MODELS": json.dumps(MODELS | occasions.MODELS),
        "PROVIDERS": json.dumps({"broken": {"base_url": nowhere}}),
        "BROKEN_API_KEY": "sk-broken",
        "ROUTING_WEIGHTS": "quality=100",
        "CACHE_L1_BYTES": "6000",
        "PRIVACY_POLICY": "mask",
        "METRICS_TOKEN": "local-metrics",
        **occasions.SETTINGS,
    }


class Mix:
    """Sends, and remembers what it sent."""

    @property
    def all_sent(self) -> int:
        """Every request, whatever for."""
        return self.sent["requests"] + self.sent["models"] + self.sent["others"]

    def __init__(self, running: RuntimeInThread, collector: SwitchedCollector) -> None:
        self.sent: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self._running = running
        self._collector = collector
        self._client = httpx.Client(base_url=running.url, timeout=20)
        self._serial = itertools.count(1)
        self._lock = threading.Lock()

    def run(self, keys_are_missed: Callable[[], bool]) -> None:
        """All of it, in about half a minute. The key set cannot be had anew until a graph says so."""
        self._without_keys()
        self._good()
        Occasions(self._running, self._client, self.sent).run()
        self._bad()
        self._noisy()
        self._outage()
        self.say("fast", tenant="acme", count=6)
        self._running.call(self._disaster())
        self._with_old_keys(keys_are_missed)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def say(
        self,
        model: str,
        *,
        tenant: str,
        prompt: str = "question",
        stream: bool = False,
        fresh: bool = True,
        cached: bool = True,
        count: int = 1,
        token: str | None = None,
    ) -> None:
        """Ask `count` times; `fresh` makes each question another, `token` empty shows none."""
        for _ in range(count):
            asked = f"{prompt} {next(self._serial)}" if fresh else prompt
            body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": asked}]}
            if stream:
                body |= {"stream": True, "stream_options": {"include_usage": True}}
            shown = token if token is not None else self._token(tenant)
            headers = {"authorization": f"Bearer {shown}"} if shown else {}
            headers |= {} if cached else {"cache-control": "no-store"}
            response = self._client.post(CHAT, json=body, headers=headers)
            with self._lock:
                self.sent["requests"] += 1
                self.statuses[response.status_code] += 1
                self.sent[f"answered {tenant}"] += response.status_code == 200
                self.sent[f"tenant {tenant}"] += response.status_code not in (401, 503)
                self.sent[f"streamed {model}"] += stream and response.status_code == 200

    def _token(self, tenant: str) -> str:
        return self._running.runtime.issuer.valid(sub=f"{tenant}-user", tenant=tenant)

    def _without_keys(self) -> None:
        """The issuer is down when the first request comes."""
        issuer = self._running.runtime.issuer
        issuer.failing_status = 503
        self.say("fast", tenant="acme", count=2)
        self.sent["keys_unavailable"] += 2
        issuer.failing_status = 0
        time.sleep(1.1)  # as long as a key set that could not be had is not asked for again

    def _with_old_keys(self, are_missed: Callable[[], bool]) -> None:
        """The key set is old by now, and cannot be had anew."""
        issuer = self._running.runtime.issuer
        issuer.failing_status = 503
        deadline = time.monotonic() + 60
        self.say("fast", tenant="initech", count=2)
        while not are_missed():
            assert time.monotonic() < deadline, "no graph says that the key set is missed"
            self.say("fast", tenant="initech")
            time.sleep(0.5)
        issuer.failing_status = 0
        self.say("fast", tenant="initech", count=2)

    def _good(self) -> None:
        tasks: Sequence[dict[str, Any]] = [
            *(
                {"model": "fast", "tenant": t, "count": n}
                for t, n in (("acme", 30), ("globex", 15), ("initech", 5))
            ),
            {"model": "fast", "tenant": "acme", "stream": True, "count": 12},
            {
                "model": "slow",
                "tenant": "globex",
                "prompt": f"[[mock first-byte-ms={SLOW_MS}]]",
                "stream": True,
                "count": 3,
            },
            {"model": "pair", "tenant": "acme", "count": 6},
            {"model": "free", "tenant": "acme", "count": 3},
            {"model": "fast", "tenant": "initech", "cached": False, "count": 4},
            {"model": "fast", "tenant": "globex", "prompt": "my address is someone@example.com", "count": 4},
        ]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda task: self.say(**task), tasks))
        for _ in range(2):  # repeated: one miss, then hits of memory; after others came, of the store
            self.say("fast", tenant="acme", prompt="often asked", fresh=False, count=8)
            self.say("fast", tenant="acme", count=12)

    def _bad(self) -> None:
        issuer = self._running.runtime.issuer
        self.say("fast", tenant="acme", token="", count=7)
        self.say("fast", tenant="acme", token=issuer.expired(), count=5)
        stranger = TokenMint(SigningKey.generate(), issuer=issuer.issuer, audience=issuer.audience)
        self.say("fast", tenant="acme", token=stranger.valid(), count=1)
        self.say("no-such-model", tenant="acme", count=3)
        self.say("elsewhere", tenant="acme", count=3)
        self.sent["geo_denied"] += 3
        self.say("fast", tenant="globex", prompt="[[mock fault=status-500]]", count=16)
        self.sent["failed"] += 16

    def _noisy(self) -> None:
        headers = {"authorization": f"Bearer {self._token('noisy')}"}
        while self.sent["limited"] < LIMITED:  # not so many requests: a minute may end among them
            assert self.sent["models"] < 20 * RATE_LIMIT, "nobody is limited"
            status = self._client.get("/v1/models", headers=headers).status_code
            self.statuses[status] += 1
            self.sent["limited"] += status == 429
            self.sent["models"] += 1

    def _outage(self) -> None:
        """The collector is gone for a while; the queue is small, and traces go on being made."""
        self._collector.status = 503
        for _ in range(6):
            self.say("fast", tenant="initech", count=8)
            time.sleep(0.15)
        self._collector.status = 200

    async def _disaster(self) -> None:
        """One batch from a writer that saw what cannot be made to happen here."""
        one = [
            _counted(
                catalog.LOST_INVOCATIONS,
                2,
                **{
                    "lumigate.worker.outcome": "exceededCpu",
                    "lumigate.worker.reported": "no",
                    "faas.version": "v1",
                },
            ),
            _counted(catalog.IMPORT_FAILURES, 1, **{"lumigate.module": "orjson"}),
            _counted(catalog.SECRET_READS, 6, **{"lumigate.secret.result": "read"}),
            _counted(catalog.SECRET_READS, 1, **{"lumigate.secret.result": "failed"}),
            _counted(catalog.DEPLOYS, 3, **{"lumigate.deploy.result": "kept"}),
            _counted(catalog.DEPLOYS, 1, **{"lumigate.deploy.result": "rolled_back"}),
            _counted(
                catalog.CACHE_LOOKUPS, 1, **{"lumigate.cache.tier": "l2", "lumigate.cache.result": "error"}
            ),
            _counted(
                catalog.RATE_LIMIT_DECISIONS,
                1,
                **{"lumigate.rate_limit.wall": "key", "lumigate.rate_limit.result": "unavailable"},
            ),
            _counted(catalog.LEDGER_EXPIRED, 1),
            _counted(catalog.LLM_CACHE_READ_TOKENS, 64, **{OVERFLOW: True}),
            _counted(catalog.LLM_CACHE_WRITE_TOKENS, 64, **{"gen_ai.provider.name": "anthropic"}),
            _counted(catalog.LLM_REASONING_TOKENS, 64, **{"gen_ai.provider.name": "openai"}),
            _counted(own.FLUSH_RECOVERIES, 1, what="lease"),
            _counted(own.TRACES_UNFINISHED, 1),
            _counted(own.PARTS_DROPPED, 1, part="attribute"),
            _counted(own.MISUSE, 1, kind="ended twice"),
            _counted(own.ENGINE_ERRORS, 1, where="plug-in"),
            _counted(shard.POINTS_DROPPED, 1),
            _counted(shard.POINTS_OVERFLOWED, 1),
        ]
        outbox = Outbox("f" * 32)
        target = self._running.runtime.ports.shard("shard-0")
        now_ns = self._running.runtime.ports.clock.now_ns()
        outbox.seal(one, now_ns)
        for batch in outbox.due(now_ns):
            answer = await target.push(batch.message())
            assert answer["status"] == "stored", answer


def _counted(metric: Metric, value: int, **attributes: str | bool) -> MetricData:
    point = NumberPoint(attributes=attributes, start_ns=0, time_ns=0, value=value)
    return MetricData(
        scope=Scope("another-writer"),
        name=metric.name,
        unit=metric.unit,
        description=metric.description,
        kind="sum",
        points=[point],
        temporality=DELTA,
        monotonic=True,
    )
