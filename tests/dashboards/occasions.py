"""Rarer occasions of the mix: what happens when something is slow, spent, stale, revoked, forbidden or out of order.

Each method plays one, by tenants of its own so that nobody else's figures change, and notes in `sent` what it did.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from unittest.mock import patch

import httpx

from local.runtime.blobs import SqliteBlobs
from local.runtime.in_thread import RuntimeInThread

CHAT: Final = "/v1/chat/completions"
HEDGE_AFTER_MS: Final = 300
BREAKER_PAUSE_SECONDS: Final = 0.5
"""What the pause of a tier's breaker is made, so that it closes again within the run."""
ANSWER_TOKENS: Final = 24
BUDGET_USD: Final = 1.0
REQUESTS_A_MINUTE: Final = 5
_PRICED: Final = {"input_usd_per_mtok": 1000.0, "output_usd_per_mtok": 5000.0}


def _openai(model: str, **more: Any) -> dict[str, Any]:
    return {"provider": "openai", "model": model, **_PRICED, **more}


MODELS: Final[dict[str, Any]] = {
    "hedged": [_openai("lag-1", quality=1.0), _openai("swift-1", quality=0.0)],
    "shaky": _openai("shaky-1"),
    "metered": _openai("metered-1"),
    "kept": _openai("kept-1"),
    "aging": _openai("aging-1"),
    "near": _openai("near-1"),
    "premium": _openai("premium-1"),
    "european": _openai("eu-1", region="eu"),
    "listed": {"provider": "openai", "model": "gpt-4o-mini"},
}
"""Of `listed` the settings give no price: it is in the built-in table."""

SETTINGS: Final[dict[str, Any]] = {
    "HEDGE_AFTER_MS": str(HEDGE_AFTER_MS),
    "RETRY_ATTEMPTS": "2",
    "TENANT_CLASSES": json.dumps({"frugal": "trial"}),
    "TENANT_LIMITS": json.dumps(
        {"class:trial": {"usd_per_day": BUDGET_USD}, "busy": {"requests_per_minute": REQUESTS_A_MINUTE}}
    ),
    "TENANT_REGIONS": json.dumps({"berlin": "eu"}),
    "REVOCATION_CACHE_SECONDS": "0",
    "POLICY": json.dumps({"models": {"premium": "premium"}}),
    "CACHE_ROUTES": json.dumps({"near": {"near_threshold": 0.8}}),
    "SESSION_HISTORY_TURNS": "2",
}


class Occasions:
    """`sent` counts what was done, by name."""

    def __init__(self, running: RuntimeInThread, client: httpx.Client, sent: Counter[str]) -> None:
        self._running = running
        self._client = client
        self._sent = sent

    def run(self) -> None:
        self.slow_and_shaky_models()
        self.budgets_and_limits()
        self.cache()
        self.a_tier_fails()
        self.access()
        self.regions()
        self.sessions()
        self.purges()

    def slow_and_shaky_models(self) -> None:
        """A directive that holds once: whoever is asked first suffers it, whoever is asked then does not."""
        for number in range(3):
            self._ask("hedged", "crowd", f"[[mock first-byte-ms=20000 times=1 tokens={20 + number}]]")
            self._sent["hedges won"] += 1
        # the second call suffers as well, begins later, and so ends later
        self._ask("hedged", "crowd", "[[mock first-byte-ms=600 times=2 tokens=23]]")
        self._sent["hedges lost"] += 1
        for number in range(4):
            once = f"[[mock fault=status-503 retry-after=0 times=1 tokens={30 + number}]]"
            self._ask("shaky", "crowd", once)
            self._sent["retries"] += 1
        for number in range(3):
            self._ask("listed", "crowd", f"by the built-in prices, {number}")
            self._sent["by the built-in prices"] += 1

    def budgets_and_limits(self) -> None:
        for number in range(12):
            answer = self._ask("metered", "frugal", f"spend {number}", max_tokens=ANSWER_TOKENS)
            self._sent["budget refused"] += answer.status_code == 429
        for number in range(REQUESTS_A_MINUTE + 4):
            answer = self._ask("kept", "busy", f"again {number}")
            self._sent["limit refused"] += answer.status_code == 429

    def cache(self) -> None:
        """Hits whose worth is known, a crowd that waits, an answer past its time, and one that is near."""
        for _ in range(5):
            self._ask("kept", "saver", "asked five times")
        self._sent["saved hits"] += 4
        with ThreadPoolExecutor(4) as pool:
            slow = "[[mock first-byte-ms=1000]] all at once"
            list(pool.map(lambda _: self._ask("kept", "crowd", slow), range(4)))
        short = {"x-lumigate-cache-ttl": "1"}
        self._ask("aging", "late", "soon old", headers=short)
        time.sleep(1.1)
        outcome = ""
        while outcome != "hit-l1":  # stale, and asked for anew beside it
            outcome = self._ask("aging", "late", "soon old").headers["x-lumigate-cache"]
            self._sent["stale"] += outcome.startswith("stale")
            assert outcome.endswith("-l1"), outcome
            time.sleep(0.05)
        self._ask("near", "crowd", "What's the capital of France?")
        self._settle()  # learning is in the background
        answer = self._ask("near", "crowd", "Tell me the capital of France, please")
        assert answer.headers["x-lumigate-cache"].startswith("near"), answer.headers["x-lumigate-cache"]
        self._sent["near"] += 1

    def a_tier_fails(self) -> None:
        """R2 is gone: reads and writes fail until its breaker opens and spares it the rest; then it is all there is."""
        tried: list[object] = []

        async def gone(*_: object) -> bytes:
            tried.append(_)
            raise ConnectionError("R2 is gone")

        with patch.object(SqliteBlobs, "get", gone), patch.object(SqliteBlobs, "put", gone):
            for number in range(20):
                before = len(tried)
                self._ask("kept", "saver", f"without R2, {number}")
                if number and len(tried) == before:
                    break
            else:
                raise AssertionError("R2 was never spared")
            self._settle()
        for number in range(60):
            kept, again = self._blobs(), f"with R2 again, {number}"
            self._ask("kept", "saver", again)
            self._settle()
            if self._blobs() > kept:
                break
            time.sleep(BREAKER_PAUSE_SECONDS)
        else:
            raise AssertionError("R2 was never tried again")
        for number in range(15):
            self._ask("kept", "saver", f"fills memory, {number}")
        self._settle()
        database = self._running.runtime.ports.database

        async def forget() -> None:
            database.write("DELETE FROM key_value WHERE key LIKE 'cache/%'")

        self._running.call(forget())
        answer = self._ask("kept", "saver", again)
        assert answer.headers["x-lumigate-cache"] == "hit-l3", answer.headers["x-lumigate-cache"]
        self._sent["hits of R2"] += 1

    def access(self) -> None:
        issuer = self._running.runtime.issuer
        self._admin("/admin/revocations", {"jti": "stolen"}, expected=201)
        for _ in range(2):
            answer = self._ask("kept", "crowd", "let me in", token=issuer.valid(jti="stolen"))
            assert answer.json()["error"]["code"] == "token_revoked"
            self._sent["revoked"] += 1
        for _ in range(3):
            assert self._ask("premium", "crowd", "no scope").status_code == 403
            self._sent["scopes missing"] += 1
        scoped = issuer.valid(sub="crowd-user", tenant="crowd", scope="premium")
        assert self._ask("premium", "crowd", "with the scope", token=scoped).status_code == 200

    def regions(self) -> None:
        asked = {"x-lumigate-region": "eu"}
        assert self._ask("european", "crowd", "stay", headers=asked).status_code == 200
        assert self._ask("european", "berlin", "stay too").status_code == 200
        for _ in range(2):
            assert self._ask("kept", "crowd", "stay where nobody is", headers=asked).status_code == 403
            self._sent["region refused"] += 1

    def sessions(self) -> None:
        """Four messages, two of them at once; the history keeps two turns."""
        headers = self._shown("coder")
        made = self._client.post("/sessions", json={"model": "kept"}, headers=headers)
        assert made.status_code == 201, made.text
        path = f"/sessions/{made.json()['id']}"
        with ThreadPoolExecutor(2) as pool:
            said = [
                pool.submit(
                    self._client.post, f"{path}/messages", json={"content": f"say {n}"}, headers=headers
                )
                for n in range(4)
            ]
        assert [each.result().status_code for each in said] == [200] * 4
        assert self._client.get(f"/sessions/ses_{'A' * 43}", headers=headers).status_code == 404
        self._client.delete(path, headers=headers)
        self._sent["messages"] += 4
        self._sent["turns dropped"] += 2
        self._sent["others"] += 7

    def purges(self) -> None:
        self._admin("/admin/cache/purge", {"tenant": "saver"}, expected=200)
        self._admin("/admin/cache/purge", {"everyone": True, "model": "kept-1"}, expected=200)
        self._sent["purges"] += 2

    def _blobs(self) -> int:
        """How many answers lie in R2."""
        database = self._running.runtime.ports.database

        async def count() -> int:
            ((found,),) = database.read("SELECT count(*) FROM blobs WHERE key LIKE 'cache/%'")
            return int(found)

        return self._running.call(count())

    def _settle(self) -> None:
        """Let what responses left to be done in the background end."""
        self._running.call(self._running.runtime.ports.background.drain(30))

    def _ask(
        self,
        model: str,
        tenant: str,
        prompt: str,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        **more: Any,
    ) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": prompt}], **more}
        shown = self._shown(tenant) if token is None else {"authorization": f"Bearer {token}"}
        self._sent["others"] += 1
        return self._client.post(CHAT, json=body, headers={**shown, **(headers or {})})

    def _admin(self, path: str, body: Mapping[str, Any], *, expected: int) -> None:
        token = self._running.runtime.issuer.valid(sub="operator", tenant="operators", scope="admin")
        answer = self._client.post(path, json=body, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == expected, answer.text
        self._sent["others"] += 1

    def _shown(self, tenant: str) -> dict[str, str]:
        token = self._running.runtime.issuer.valid(sub=f"{tenant}-user", tenant=tenant)
        return {"authorization": f"Bearer {token}"}
