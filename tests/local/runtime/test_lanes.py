from __future__ import annotations

import asyncio

import httpx
import pytest

from local.mocks.openai_upstream import OpenAIUpstream
from local.runtime import lanes
from local.runtime.lanes import LanedTransport


class Counting(httpx.AsyncHTTPTransport):
    open_lanes = 0

    def __init__(self) -> None:
        super().__init__(verify=False)  # plain HTTP only, and reading certificates takes time
        type(self).open_lanes += 1

    async def aclose(self) -> None:
        await super().aclose()
        type(self).open_lanes -= 1


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> type[Counting]:
    monkeypatch.setattr(Counting, "open_lanes", 0)
    return Counting


async def test_a_request_alone_uses_one_lane_again_and_again(
    upstream: OpenAIUpstream, counting: type[Counting]
) -> None:
    async with httpx.AsyncClient(transport=LanedTransport(counting)) as client:
        for _ in range(5):
            await client.get(f"{upstream.base_url}/models")
        assert (counting.open_lanes, upstream.connections) == (1, 1)
    assert counting.open_lanes == 0


async def test_requests_at_once_have_a_lane_each_and_lanes_are_kept(
    upstream: OpenAIUpstream, counting: type[Counting]
) -> None:
    upstream.behaviour.first_byte_ms = 50
    async with httpx.AsyncClient(transport=LanedTransport(counting)) as client:
        for _ in range(2):
            await asyncio.gather(*(client.get(f"{upstream.base_url}/models") for _ in range(10)))
            assert counting.open_lanes == upstream.connections == 10
    assert counting.open_lanes == 0


async def test_idle_lanes_over_the_limit_are_closed(
    upstream: OpenAIUpstream, counting: type[Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MAX_IDLE_LANES", 2)
    upstream.behaviour.first_byte_ms = 50
    async with httpx.AsyncClient(transport=LanedTransport(counting)) as client:
        await asyncio.gather(*(client.get(f"{upstream.base_url}/models") for _ in range(6)))
        await client.get(f"{upstream.base_url}/models")
        assert counting.open_lanes == 2


async def test_a_lane_is_given_back_after_a_failure_and_after_a_broken_stream(
    upstream: OpenAIUpstream, counting: type[Counting]
) -> None:
    async with httpx.AsyncClient(transport=LanedTransport(counting), timeout=5) as client:
        url = f"{upstream.base_url}/chat/completions"
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
        for fault in ("reset", "half-event", "garbage"):
            with pytest.raises(httpx.TransportError):
                await client.post(url, json=body, headers={"x-mock": f"fault={fault}"})
        with pytest.raises(httpx.ReadTimeout):
            await client.post(url, json={}, headers={"x-mock": "fault=timeout"}, timeout=0.05)
        assert (await client.get(f"{upstream.base_url}/models")).status_code == 200
        assert counting.open_lanes == 1
