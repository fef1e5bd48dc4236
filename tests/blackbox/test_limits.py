"""Budgets and exact limits hold under concurrency, on every runtime; tenants never feel each other's."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from local.mocks.issuer import Issuer
from local.mocks.openai_upstream import OpenAIUpstream
from local.runtime.development import development_settings
from local.runtime.embedded import EmbeddedRuntime
from local.runtime.in_thread import run_in_thread
from tests.blackbox.conftest import PATIENCE, Stage, _mocks, eventually
from tests.midnight import stay_clear_of_midnight
from tests.pyodide.production import production_host, suite_bindings

CHAT = "/v1/chat/completions"
MODEL = "budgeted"
USD_A_TOKEN = 1e-6
GENEROUS = {
    "requests_per_minute": 1000,
    "tokens_per_minute": 1_000_000,
    "usd_per_day": 100,
    "usd_per_month": 1000,
}
"""Of tenants that never reach them: one for each test, so that no use leaves the minute in the middle of another."""

SETTINGS: dict[str, Any] = {
    "ENVIRONMENT": "test",
    "UPSTREAM_TIMEOUT_SECONDS": "20",
    "LEDGER_TIMEOUT_MS": "20000",
    "OTEL_BSP_SCHEDULE_DELAY": "50",
    "TENANT_CLASSES": json.dumps({"golden": "gold"}),
    "MODELS": json.dumps(
        {
            MODEL: {
                "provider": "openai",
                "model": "gpt-4o-mini",
                "input_usd_per_mtok": 0,
                "output_usd_per_mtok": 1,
            },
            "text-embedding-3-small": {
                "provider": "openai",
                "model": "text-embedding-3-small",
                "input_usd_per_mtok": 1,
            },
        }
    ),
    "TENANT_LIMITS": json.dumps(
        {
            # Of MODEL with max_tokens=1000: ten times what one request may cost.
            "budget": {"usd_per_day": 0.01},
            "monthly": {"usd_per_month": 0.001},
            "requests": {"requests_per_minute": 5},
            "tokens": {"tokens_per_minute": 2000},
            **dict.fromkeys(("everything", "streamed", "left", "cached", "mixed"), GENEROUS),
            "red": {"requests_per_minute": 20},
            "blue": {"requests_per_minute": 20},
            "class:gold": {"requests_per_minute": 3},
        }
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """A gateway whose tenants have limits."""

    name: str
    url: str
    issuer: Issuer
    upstream: OpenAIUpstream

    def headers(self, tenant: str, **more: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.issuer.valid(tenant=tenant)}"} | more

    def usage(self, tenant: str) -> dict[str, dict[str, float]]:
        answer = httpx.get(f"{self.url}/v1/usage", headers=self.headers(tenant), timeout=PATIENCE)
        assert answer.status_code == 200
        found: dict[str, dict[str, float]] = answer.json()["limits"]
        return found

    def settled(self, tenant: str) -> dict[str, dict[str, float]]:
        """Where the tenant stands once nothing is reserved any more."""

        def found() -> dict[str, dict[str, float]] | None:
            limits = self.usage(tenant)
            return None if any(limit["reserved"] for limit in limits.values()) else limits

        return eventually(found)


@contextmanager
def _embedded(data: Path) -> Iterator[Limited]:
    runtime = EmbeddedRuntime(SETTINGS, data=data)
    with run_in_thread(runtime):
        upstream = runtime.upstream
        yield Limited(name="embedded", url=runtime.url, issuer=runtime.issuer, upstream=upstream)


@contextmanager
def _pyodide(_data: Path) -> Iterator[Limited]:
    with ExitStack() as stack:
        upstream, issuer = stack.enter_context(_mocks())
        variables = development_settings(jwks_url=issuer.jwks_url, openai_base_url=upstream.base_url)
        host = stack.enter_context(production_host(variables | SETTINGS, bindings=suite_bindings()))
        yield Limited(name="pyodide", url=host.url, issuer=issuer, upstream=upstream)


_RUNTIMES = {"embedded": _embedded, "pyodide": _pyodide}


@pytest.fixture(autouse=True)
def one_day() -> None:
    """Budgets are of a day: no test sees two."""
    stay_clear_of_midnight()


@pytest.fixture(scope="module", params=_RUNTIMES)
def limited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Limited]:
    with _RUNTIMES[request.param](tmp_path_factory.mktemp("limited")) as running:
        yield running


def question(text: str = "", **more: object) -> dict[str, object]:
    return {
        "model": MODEL,
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": f"{text} {uuid.uuid4()}"}],
        **more,
    }


async def hammer(
    limited: Limited, tenants: Mapping[str, int], text: str = "", **body: object
) -> dict[str, list[httpx.Response]]:
    """So many requests of each tenant, all at once."""
    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(base_url=limited.url, timeout=PATIENCE, limits=limits) as client:

        async def send(tenant: str) -> tuple[str, httpx.Response]:
            answer = await client.post(CHAT, json=question(text, **body), headers=limited.headers(tenant))
            return tenant, answer

        sent = [send(tenant) for tenant, count in tenants.items() for _ in range(count)]
        answers: dict[str, list[httpx.Response]] = {tenant: [] for tenant in tenants}
        for tenant, answer in await asyncio.gather(*sent):
            answers[tenant].append(answer)
        return answers


def test_two_hundred_at_once_against_a_budget_for_ten(limited: Limited) -> None:
    """Each costs what it may cost: ten pass, however they interleave."""
    answers = asyncio.run(hammer(limited, {"budget": 200}, "[[mock tokens=1000]]"))["budget"]
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {200: 10, 429: 190}
    cost = sum(
        answer.json()["usage"]["completion_tokens"] * USD_A_TOKEN
        for answer in answers
        if answer.status_code == 200
    )
    stands = limited.settled("budget")["usd_per_day"]
    assert stands["used"] == pytest.approx(cost, abs=1e-9), "exactly what the answers cost, each once"
    assert stands["used"] == stands["limit"]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"]["code"] == "budget_exceeded"
    assert int(refused.headers["retry-after"]) >= 1


def test_a_budget_that_is_spent_stays_spent_and_says_until_when(limited: Limited) -> None:
    """One request is all of the month's budget; the provider is not asked again."""
    body = question("[[mock tokens=1000]]")
    answer = httpx.post(
        f"{limited.url}{CHAT}", json=body, headers=limited.headers("monthly"), timeout=PATIENCE
    )
    assert answer.status_code == 200
    limited.settled("monthly")
    sent: list[httpx.Request] = []
    client = openai.OpenAI(
        base_url=f"{limited.url}/v1",
        api_key=limited.issuer.valid(tenant="monthly"),
        max_retries=2,
        timeout=PATIENCE,
        http_client=openai.DefaultHttpxClient(event_hooks={"request": [sent.append]}),
    )
    with client, pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(
            model=MODEL, max_tokens=1000, messages=[{"role": "user", "content": str(uuid.uuid4())}]
        )
    assert caught.value.code == "budget_exceeded"
    assert "budget of the month" in caught.value.message
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(sent) == 1, "the client does not wait for the month to end"


def test_so_many_requests_a_minute_pass_and_no_more(limited: Limited) -> None:
    answers = asyncio.run(hammer(limited, {"requests": 40}))["requests"]
    assert Counter(answer.status_code for answer in answers) == {200: 5, 429: 35}
    remaining = sorted(
        int(answer.headers["ratelimit-remaining"]) for answer in answers if answer.status_code == 200
    )
    assert remaining == [0, 1, 2, 3, 4]
    for answer in answers:
        assert answer.headers["ratelimit-limit"] == answer.headers["x-ratelimit-limit-requests"] == "5"
        assert answer.headers["ratelimit-policy"] == '"requests";q=5;w=60'
        assert 0 < int(answer.headers["ratelimit-reset"]) <= 61
        if answer.status_code == 429:
            assert answer.json()["error"]["code"] == "rate_limited"
            assert 0 < int(answer.headers["retry-after"]) <= 61


def test_tokens_a_minute_are_those_that_were_used(limited: Limited) -> None:
    """Two requests fit by what they may need; a third does once the first two turn out to have needed less."""

    def ask(text: str) -> httpx.Response:
        body = question(text, max_tokens=900)
        return httpx.post(
            f"{limited.url}{CHAT}", json=body, headers=limited.headers("tokens"), timeout=PATIENCE
        )

    limited.upstream.held.add("tokens")
    with ThreadPoolExecutor(2) as pool:
        try:
            passed = [pool.submit(ask, "[[mock hold=tokens]]") for _ in range(2)]
            assert eventually(
                lambda: (
                    sum(b"hold=tokens" in request.body for request in list(limited.upstream.requests)) == 2
                )
            )
            refused = ask("")
        finally:
            limited.upstream.held.discard("tokens")
        used = sum(answer.result().json()["usage"]["total_tokens"] for answer in passed)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "tokens_limited")
    assert eventually(lambda: limited.usage("tokens")["tokens_per_minute"]["used"] == used)
    assert ask("").status_code == 200


def test_tenants_never_feel_each_others_limits(limited: Limited) -> None:
    answers = asyncio.run(hammer(limited, {"red": 60, "blue": 15, "everything": 15}))
    assert Counter(answer.status_code for answer in answers["red"]) == {200: 20, 429: 40}
    assert {answer.status_code for answer in answers["blue"]} == {200}
    assert {answer.status_code for answer in answers["everything"]} == {200}
    # All of its own and none of others'; fewer, should that have taken a minute.
    assert limited.usage("blue")["requests_per_minute"]["used"] <= 15


def test_a_tenant_without_limits_of_its_own_has_those_of_its_class_or_none(limited: Limited) -> None:
    answers = asyncio.run(hammer(limited, {"golden": 6, "nobody": 30}))
    assert Counter(answer.status_code for answer in answers["golden"]) == {200: 3, 429: 3}
    assert {answer.status_code for answer in answers["nobody"]} == {200}
    assert "ratelimit-limit" not in answers["nobody"][0].headers
    assert limited.usage("nobody") == {}


def test_a_stream_settles_at_its_end_with_what_it_really_used(limited: Limited) -> None:
    before = limited.settled("streamed")
    body = question("[[mock tokens=40]]", stream=True, stream_options={"include_usage": True})
    headers = limited.headers("streamed")
    with httpx.stream("POST", f"{limited.url}{CHAT}", json=body, headers=headers, timeout=PATIENCE) as answer:
        assert int(answer.headers["x-ratelimit-remaining-tokens"]) < 1_000_000
        usage = next(
            event["usage"]
            for line in answer.iter_lines()
            if line.startswith("data: {") and (event := json.loads(line[6:])).get("usage")
        )
    after = limited.settled("streamed")
    assert after["tokens_per_minute"]["used"] - before["tokens_per_minute"]["used"] == usage["total_tokens"]
    spent = after["usd_per_day"]["used"] - before["usd_per_day"]["used"]
    assert spent == pytest.approx(usage["completion_tokens"] * USD_A_TOKEN, abs=1e-9)


def test_a_stream_that_is_left_settles_with_what_was_streamed(limited: Limited) -> None:
    before = limited.settled("left")["usd_per_day"]["used"]
    body = question("[[mock tokens=1000 chunk_ms=40]]", stream=True)
    headers = limited.headers("left")
    with httpx.stream("POST", f"{limited.url}{CHAT}", json=body, headers=headers, timeout=PATIENCE) as answer:
        lines = answer.iter_lines()
        for _ in range(10):
            next(lines)
    spent = limited.settled("left")["usd_per_day"]["used"] - before
    assert 0 < spent < 1000 * USD_A_TOKEN


def test_an_answer_from_the_cache_costs_nothing_and_counts_as_a_request(limited: Limited) -> None:
    body = question()
    headers = limited.headers("cached")
    with httpx.Client(base_url=limited.url, timeout=PATIENCE) as client:
        assert client.post(CHAT, json=body, headers=headers).headers["x-lumigate-cache"] == "miss"
        before = limited.settled("cached")
        assert client.post(CHAT, json=body, headers=headers).headers["x-lumigate-cache"].startswith("hit")
        after = limited.settled("cached")
    assert after["requests_per_minute"]["used"] == before["requests_per_minute"]["used"] + 1
    for limit in ("tokens_per_minute", "usd_per_day", "usd_per_month"):
        assert after[limit]["used"] == before[limit]["used"]


def test_embeddings_and_messages_spend_the_same_budget(limited: Limited) -> None:
    before = limited.settled("mixed")
    token = limited.issuer.valid(tenant="mixed")
    vectors = openai.OpenAI(base_url=f"{limited.url}/v1", api_key=token, timeout=PATIENCE).embeddings.create(
        model="text-embedding-3-small", input=[str(uuid.uuid4())] * 3
    )
    client = anthropic.Anthropic(base_url=limited.url, api_key=token, max_retries=0, timeout=PATIENCE)
    message = client.messages.create(
        model=MODEL, max_tokens=100, messages=[{"role": "user", "content": str(uuid.uuid4())}]
    )
    after = limited.settled("mixed")
    used = vectors.usage.total_tokens + message.usage.input_tokens + message.usage.output_tokens
    assert after["tokens_per_minute"]["used"] - before["tokens_per_minute"]["used"] == used
    spent = (vectors.usage.total_tokens + message.usage.output_tokens) * USD_A_TOKEN
    assert after["usd_per_month"]["used"] - before["usd_per_month"]["used"] == pytest.approx(spent, abs=1e-9)


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    """The same data, another process's worth of memory."""
    tenant = "requests"
    for number, expected in enumerate(({200: 5, 429: 1}, {429: 6})):
        with _embedded(tmp_path) as limited:
            answers = asyncio.run(hammer(limited, {tenant: 6}))[tenant]
            assert Counter(answer.status_code for answer in answers) == expected, number


def test_an_object_that_was_evicted_has_forgotten_nothing() -> None:
    with ExitStack() as stack:
        upstream, issuer = stack.enter_context(_mocks())
        variables = development_settings(jwks_url=issuer.jwks_url, openai_base_url=upstream.base_url)
        host = stack.enter_context(production_host(variables | SETTINGS, bindings=suite_bindings()))
        limited = Limited(name="pyodide", url=host.url, issuer=issuer, upstream=upstream)
        first = asyncio.run(hammer(limited, {"budget": 20, "requests": 6}))
        assert Counter(a.status_code for a in first["requests"]) == {200: 5, 429: 1}
        before = limited.settled("budget")
        assert host.control("evict", binding="TENANT_LEDGER")["evicted"] >= 1
        assert limited.usage("budget")["usd_per_day"]["used"] == before["usd_per_day"]["used"]
        again = asyncio.run(hammer(limited, {"requests": 6}))["requests"]
        assert {answer.status_code for answer in again} == {429}


def test_a_stage_without_limits_says_so(stage: Stage, http: httpx.Client) -> None:
    """Every deployment answers `GET /v1/usage`."""
    answer = http.get("/v1/usage", headers=stage.headers())
    assert (answer.status_code, answer.json()["object"]) == (200, "usage")


@pytest.mark.parametrize(("failure", "statuses"), [("open", {200}), ("closed", {200, 503})])
def test_a_ledger_that_has_no_time_to_answer_holds_nobody_up(failure: str, statuses: set[int]) -> None:
    """A millisecond is less than most calls of an object take, here as on Workers."""
    with ExitStack() as stack:
        upstream, issuer = stack.enter_context(_mocks())
        variables = development_settings(jwks_url=issuer.jwks_url, openai_base_url=upstream.base_url)
        variables |= SETTINGS | {"LEDGER_FAILURE": failure, "LEDGER_TIMEOUT_MS": "1"}
        host = stack.enter_context(production_host(variables))
        limited = Limited(name="pyodide", url=host.url, issuer=issuer, upstream=upstream)
        answers = asyncio.run(hammer(limited, {"everything": 20}))["everything"]
        assert {answer.status_code for answer in answers} <= statuses
        for answer in answers:
            if answer.status_code == 503:
                assert answer.json()["error"]["code"] == "limits_unavailable"
