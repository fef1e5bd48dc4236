from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from lumigate.cache.near.confirm import cosine
from lumigate.cache.near.index import MAX_PROMPTS, Known, NearIndex
from lumigate.cache.near.minhash import signature
from tests.fakes import (
    CHAT_BODY,
    UPSTREAM_URL,
    FakeAnswer,
    FakeClock,
    FakeKeyValue,
    GatewayUnderTest,
    completion,
    fake_ports,
    json_answer,
    make_gateway,
    whole_body,
)

SEALING = "k:" + "bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4="


def isolate(
    store: FakeKeyValue | None = None, *, clock: FakeClock | None = None, **environ: Any
) -> GatewayUnderTest:
    environ = {"CACHE_NEAR_THRESHOLD": "0.8", "SEALING_KEYS": SEALING} | environ
    rig = make_gateway(fake_ports(key_value=store, clock=clock or FakeClock()), **environ)
    rig.ports.fetch.script(UPSTREAM_URL, *(json_answer(completion(f"answer {n}")) for n in range(9)))
    return rig


async def asked(rig: GatewayUnderTest, text: str, **changes: Any) -> tuple[str, str]:
    body = {**CHAT_BODY, "messages": [{"role": "user", "content": text}], **changes}
    response = await rig.send(body=body)
    document = json.loads(await whole_body(response))
    await rig.ports.background.run()
    return response.headers["x-lumigate-cache"], document["choices"][0]["message"]["content"]


async def test_a_question_that_is_asked_otherwise_is_answered_from_memory() -> None:
    rig = isolate()
    assert await asked(rig, "What is the capital of France?") == ("miss", "answer 0")
    assert await asked(rig, "tell me the capital of France, please") == ("near-l1", "answer 0")
    assert await asked(rig, "tell me the capital of Germany, please") == ("miss", "answer 1")
    lookup = next(s for s in rig.observed.spans if s.attributes.get("lumigate.cache.outcome") == "near-l1")
    assert rig.events[1]["cache"] == "near-l1"
    assert lookup is not None
    similar = [
        s.attributes["lumigate.cache.similarity"] for s in rig.observed.spans if s.name == "cache.near"
    ]
    assert similar == [1.0]


async def test_another_isolate_finds_it_by_the_index_in_kv_which_is_sealed() -> None:
    store = FakeKeyValue()
    await asked(isolate(store), "What is the capital of France?")
    (index,) = [value for name, value in store.values.items() if name.startswith("near/")]
    assert b"known" not in index
    assert await asked(isolate(store), "capital of france") == ("near-l2", "answer 0")


class OneWriteASecond(FakeKeyValue):
    """KV's own limit: https://developers.cloudflare.com/kv/platform/limits/."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self._written: dict[str, int] = {}

    async def put(self, key: str, value: bytes, *, ttl_seconds: int) -> None:
        if self._clock.now_ns() < self._written.get(key, 0) + 1_000_000_000:
            raise RuntimeError("KV PUT failed: 429 Too Many Requests")
        self._written[key] = self._clock.now_ns()
        await super().put(key, value, ttl_seconds=ttl_seconds)


async def test_what_is_learnt_at_once_is_written_together_within_what_kv_takes() -> None:
    clock = FakeClock()
    store = OneWriteASecond(clock)
    rig = isolate(store, clock=clock)
    places = ("France", "Germany", "Poland", "Spain")
    for place in places:
        body = {**CHAT_BODY, "messages": [{"role": "user", "content": f"What is the capital of {place}?"}]}
        await whole_body(await rig.send(body=body))
    waiting = rig.ports.background.waiting
    while waiting:
        at_once, waiting[:] = list(waiting), []
        await asyncio.gather(*at_once)
    assert rig.observed.total("lumigate.cache.writes", lumigate__cache__write="error") == 0
    for number, place in enumerate(places):
        found = await asked(isolate(store, clock=clock), f"capital of {place.lower()}")
        assert found == ("near-l2", f"answer {number}")


async def test_it_is_off_unless_a_threshold_is_set() -> None:
    rig = isolate(CACHE_NEAR_THRESHOLD="")
    await asked(rig, "What is the capital of France?")
    assert (await asked(rig, "what is the capital of france"))[0] == "miss"


@pytest.mark.parametrize("change", [{"temperature": 0}, {"max_tokens": 5}, {"seed": 1}])
async def test_everything_but_the_words_must_be_the_same(change: dict[str, Any]) -> None:
    rig = isolate()
    await asked(rig, "What is the capital of France?")
    assert (await asked(rig, "what is the capital of france", **change))[0] == "miss"


async def test_what_was_purged_is_near_nothing() -> None:
    rig = isolate()
    await asked(rig, "What is the capital of France?")
    rig.ports.clock.advance(90_000)
    assert (await asked(rig, "what is the capital of france"))[0] == "miss"


async def test_junk_in_the_index_is_an_index_that_is_not_there() -> None:
    store = FakeKeyValue()
    await asked(isolate(store), "What is the capital of France?")
    for name in store.values:
        if name.startswith("near/"):
            store.values[name] = b"junk"
    assert (await asked(isolate(store), "capital of france"))[0] == "miss"


EMBEDDINGS_URL = UPSTREAM_URL.replace("chat/completions", "embeddings")
EMBEDDER = json.dumps(
    {
        "fast": {"provider": "openai", "model": "gpt-4o-mini"},
        "vectors": {"provider": "openai", "model": "text-embedding-3-small"},
    }
)


def embedding(*vector: float) -> FakeAnswer:
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return json_answer({"object": "list", "data": data, "model": "e", "usage": usage})


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (embedding(0.9, 0.1), "near-l1"),
        (embedding(0.1, 0.9), "miss"),
        (json_answer({}, status=500), "miss"),
    ],
    ids=["agrees", "does not agree", "says nothing"],
)
async def test_an_embedding_confirms_what_is_near_or_does_not(second: FakeAnswer, expected: str) -> None:
    rig = isolate(MODELS=EMBEDDER, CACHE_NEAR_EMBEDDING_MODEL="vectors")
    rig.ports.fetch.script(EMBEDDINGS_URL, embedding(1.0, 0.0), second, embedding(1.0, 0.0))
    assert (await asked(rig, "What is the capital of France?"))[0] == "miss"
    assert (await asked(rig, "what's the capital of france"))[0] == expected
    assert rig.events[1]["status"] == 200
    assert [span.name for span in rig.observed.spans].count("cache.embed") >= 2


async def test_a_prompt_is_embedded_as_the_privacy_policy_lets_it_out() -> None:
    rig = isolate(MODELS=EMBEDDER, CACHE_NEAR_EMBEDDING_MODEL="vectors", PRIVACY_POLICY="mask")
    rig.ports.fetch.script(EMBEDDINGS_URL, embedding(1.0, 0.0))
    await asked(rig, "Who has the address jane.roe@example.com?")
    sent = b"".join(call.body or b"" for call in rig.ports.fetch.calls)
    assert len(rig.ports.fetch.calls) == 2
    assert b"jane.roe" not in sent


def known(number: int) -> Known:
    return Known(
        key=f"{number}", meaning="m", signature=signature({f"{number}"}), expires_ns=9, vector=(64, -127)
    )


def test_an_index_is_read_as_it_was_written_and_stays_bounded() -> None:
    index, other = NearIndex(), NearIndex()
    for number in range(MAX_PROMPTS + 10):
        index.add(known(number))
    assert len(index) == MAX_PROMPTS
    other.add(known(1000))
    other.merge(index.to_bytes())
    assert len(other) == MAX_PROMPTS
    assert b'"1000"' in other.to_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format":1,"known":[1]}',
        b'{"format":1,"known":[["k","m","AAAA",1,""]]}',
        b'{"format":1,"known":[["k","m","!",1,""]]}',
    ],
)
def test_junk_is_no_index(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever its words
        NearIndex().merge(data)


def test_cosine() -> None:
    assert cosine((1, 0), (2, 0)) == 1
    assert cosine((1, 0), (0, 1)) == cosine((1,), (1, 2)) == cosine((0, 0), (1, 1)) == 0
