"""A request that has ended is freed there and then.

One that holds itself lives until the garbage collector comes by, with its prompt and its answer: in an isolate of
128 MB that is late, and what the collector has to look at is a part of every request's price.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from lumigate.http.types import Request
from lumigate.llm.call import ModelCall
from lumigate.scope import Scope
from tests.fakes import CHAT_BODY, STREAM, WITH_KEY, FakeAnswer, json_answer, stream_answer, whole_body
from tests.gateway.rig import BEARER, STREAMED, with_upstream
from tests.llm.dispatch.rig import ALPHA, BETA, good, make_rig, refusal

OF_A_REQUEST = (Request, Scope, ModelCall)
CUT = tuple(stream_answer(*STREAM[:2]) for _ in range(2))
FAILURE = json_answer({"error": {"message": "no"}}, 500)


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> list[str]:
    """What there is of requests, by class."""
    return sorted(type(found).__name__ for found in gc.get_objects() if type(found) in OF_A_REQUEST)


@pytest.mark.parametrize(
    ("body", "headers", "answers", "status"),
    [
        pytest.param(CHAT_BODY, WITH_KEY, (), 200, id="a whole answer"),
        pytest.param(CHAT_BODY, BEARER, (), 200, id="who shows a token"),
        pytest.param(STREAMED, WITH_KEY, (stream_answer(*STREAM),), 200, id="a stream"),
        pytest.param(STREAMED, WITH_KEY, CUT, 200, id="a stream that is cut"),
        pytest.param({**CHAT_BODY, "model": "none"}, WITH_KEY, (), 404, id="no such model"),
        pytest.param(CHAT_BODY, {}, (), 401, id="nobody"),
        pytest.param(CHAT_BODY, WITH_KEY, (FAILURE,) * 5, 502, id="a provider that fails"),
    ],
)
async def test_a_request_that_has_ended_leaves_nothing_of_itself(
    body: dict[str, Any], headers: dict[str, str], answers: tuple[FakeAnswer, ...], status: int
) -> None:
    rig = with_upstream(*answers)
    before = alive()
    for _ in range(2):  # the second is answered by the cache where there is something to answer with
        response = await rig.send(body=body, headers=headers)
        await whole_body(response)
        assert response.status == status
        await rig.ports.background.run()
        del response
    assert alive() == before


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [(good(), good(), 200), (refusal(503), good(), 200), (refusal(503), refusal(503), 502)],
    ids=["won", "failed and won", "failed"],
)
async def test_a_race_that_is_over_leaves_nothing_of_its_request(
    first: FakeAnswer, second: FakeAnswer, status: int
) -> None:
    rig = make_rig("alpha", "beta", HEDGE_AFTER_MS="1", RETRY_ATTEMPTS="1")
    before = alive()
    rig.ports.fetch.script(ALPHA, first)
    rig.ports.fetch.script(BETA, second)
    response = await rig.send()
    assert response.status == status
    await rig.ports.background.run()
    assert alive() == before
