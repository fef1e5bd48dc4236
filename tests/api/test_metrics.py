"""GET /metrics: who may read it, in which format, and what happens when a shard does not answer."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any

import pytest

from lumigate.api.metrics import Metrics
from lumigate.errors import ShardsUnavailable, Unauthenticated, UnknownRoute
from lumigate.exposition import families, fragment
from lumigate.exposition.negotiation import Format
from lumigate.http.types import Response
from lumigate.metrics_settings import MetricsSettings
from tests.fakes import fake_ports, make_scope
from tests.shard.deltas import counter

TOKEN = "scrape-me"


class StubShard:
    """Answers a scrape with one counter under its own name, or fails."""

    def __init__(self, name: str, *, fails: bool = False) -> None:
        self._name = name
        self._fails = fails

    async def push(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        raise NotImplementedError

    async def scrape(self, form: Mapping[str, Any]) -> str:
        if self._fails:
            raise ConnectionError(self._name)
        return fragment(families([counter(3)], Format(**form), instance=self._name))


async def get(shards: list[StubShard], *, token: str | None = TOKEN, **headers: str) -> Response:
    ports = fake_ports(shards={f"shard-{number}": shard for number, shard in enumerate(shards)})
    settings = MetricsSettings.from_environ({"METRICS_TOKEN": token, "METRICS_SHARDS": len(shards) or 1})
    given = {
        "authorization": f"Bearer {TOKEN}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return await Metrics(settings)(make_scope(ports=ports, headers=given).scope)


def text(response: Response) -> str:
    assert isinstance(response.body, bytes)
    return response.body.decode()


async def test_all_shards_are_in_one_answer() -> None:
    answer = text(await get([StubShard("a"), StubShard("b")]))
    assert answer.count("# TYPE requests_total counter") == 1
    assert 'service_instance_id="a"' in answer
    assert 'service_instance_id="b"' in answer


async def test_a_shard_that_does_not_answer_is_left_out() -> None:
    answer = text(await get([StubShard("a"), StubShard("b", fails=True)]))
    assert 'service_instance_id="a"' in answer
    assert 'service_instance_id="b"' not in answer


async def test_with_no_shard_that_answers_the_scrape_fails() -> None:
    with pytest.raises(ShardsUnavailable):
        await get([StubShard("a", fails=True)])


async def test_without_a_token_configured_there_is_no_such_route() -> None:
    with pytest.raises(UnknownRoute):
        await get([StubShard("a")], token=None)


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [("", "missing"), ("Bearer ", "missing"), ("Basic x", "missing"), ("Bearer wrong", "unknown_api_key")],
)
async def test_only_the_token_opens_it(authorization: str, reason: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await get([StubShard("a")], authorization=authorization)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "other", [TOKEN[:-1], TOKEN[1:], TOKEN + "e", TOKEN.upper(), TOKEN[0], f"{TOKEN} {TOKEN}"]
)
async def test_what_is_nearly_the_token_does_not_open_it(other: str) -> None:
    with pytest.raises(Unauthenticated):
        await get([StubShard("a")], authorization=f"Bearer {other}")


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("identity", False),
        ("", False),
        ("xgzip", False),
    ],
)
async def test_it_is_compressed_only_where_that_is_accepted(accepted: str, compressed: bool) -> None:
    answer = await get([StubShard("a")], accept_encoding=accepted)
    assert (answer.headers.get("content-encoding") == "gzip") is compressed
    assert isinstance(answer.body, bytes)
    body = gzip.decompress(answer.body) if compressed else answer.body
    assert b"requests_total" in body
