"""A crowd that asks the same at once makes few model calls: the provider's own count says how many."""

from __future__ import annotations

import asyncio
import uuid

import httpx
import pytest

from tests.blackbox.conftest import PATIENCE, Stage

CROWD = 200
MOST_CALLS = 3
"""One is what is seen; a machine that stands still for seconds may make it two."""


async def crowd(stage: Stage, body: dict[str, object]) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=CROWD)
    # A tenant of its own: two crowds are most of what one may ask in a minute.
    headers = {"authorization": f"Bearer {stage.token(tenant=f'crowd-{uuid.uuid4().hex[:8]}')}"}
    async with httpx.AsyncClient(base_url=stage.url, timeout=PATIENCE, limits=limits) as client:

        async def one() -> httpx.Response:
            return await client.post("/v1/chat/completions", json=body, headers=headers)

        return await asyncio.gather(*(one() for _ in range(CROWD)))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_two_hundred_that_ask_the_same_at_once_make_few_model_calls(staged: Stage, stream: bool) -> None:
    assert staged.upstream is not None
    mark = uuid.uuid4().hex
    prompt = f"[[mock first-byte-ms=500]] {mark}"
    body = {"model": "gpt-4o-mini", "stream": stream, "messages": [{"role": "user", "content": prompt}]}
    answers = asyncio.run(crowd(staged, body))
    assert {answer.status_code for answer in answers} == {200}
    calls = sum(mark.encode() in request.body for request in list(staged.upstream.requests))
    outcomes = {answer.headers["x-lumigate-cache"] for answer in answers}
    assert 1 <= calls <= MOST_CALLS, f"{calls} model calls for {CROWD} requests"
    assert outcomes <= {"miss", "hit-l1", "hit-l2", "hit-l3"}
    assert len({answer.content for answer in answers}) <= calls
    print(f"{staged.name}: {CROWD} requests, {calls} model calls")  # noqa: T201 # shown by pytest -s
