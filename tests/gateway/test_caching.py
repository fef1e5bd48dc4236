"""Answers that come from the cache, and those that must not."""

from __future__ import annotations

import pytest

from lumigate.ports import StreamInterrupted
from tests.fakes import (
    DONE_EVENT,
    STREAM,
    WITH_KEY,
    completion,
    json_answer,
    make_claims,
    make_token,
    stream_answer,
    whole_body,
)
from tests.gateway.rig import FRESH, STREAMED, with_upstream


async def test_an_answer_that_must_not_be_stored_is_neither_looked_for_nor_kept() -> None:
    rig = with_upstream(json_answer(completion("one")), json_answer(completion("two")))
    for _ in range(2):
        response = await rig.send(headers=FRESH)
        assert response.headers["x-lumigate-cache"] == "bypass"
    await rig.ports.background.run()
    assert rig.ports.key_value is not None
    assert rig.ports.key_value.values == {}


async def test_a_fresh_answer_is_asked_for_and_kept_for_others() -> None:
    rig = with_upstream(json_answer(completion("one")), json_answer(completion("two")))
    await rig.send()
    response = await rig.send(headers={**WITH_KEY, "cache-control": "max-age=0, No-Cache"})
    assert response.headers["x-lumigate-cache"] == "bypass"
    assert b"two" in await whole_body(response)
    assert b"two" in await whole_body(await rig.send())


async def test_a_stream_is_replayed_from_the_cache_as_the_same_events() -> None:
    rig = with_upstream(stream_answer(*STREAM))
    first = await whole_body(await rig.send(body=STREAMED))
    response = await rig.send(body=STREAMED)
    assert response.headers["x-lumigate-cache"] == "hit-l1"
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert await whole_body(response) == first
    assert rig.events[-1]["stream"] is True


@pytest.mark.parametrize("ending", [(), (StreamInterrupted("connection"),)], ids=["truncated", "reset"])
async def test_only_a_complete_stream_is_kept(ending: tuple[Exception, ...]) -> None:
    rig = with_upstream(stream_answer(STREAM[0], *ending), stream_answer(*STREAM))
    await whole_body(await rig.send(body=STREAMED))
    response = await rig.send(body=STREAMED)
    assert response.headers["x-lumigate-cache"] == "miss"
    assert (await whole_body(response)).endswith(DONE_EVENT)


async def test_tenants_do_not_share_answers() -> None:
    rig = with_upstream(json_answer(completion("one")), json_answer(completion("two")))
    await rig.send(headers={"authorization": f"Bearer {make_token(make_claims(tenant='acme'))}"})
    response = await rig.send(
        headers={"authorization": f"Bearer {make_token(make_claims(tenant='umbrella'))}"}
    )
    assert response.headers["x-lumigate-cache"] == "miss"
