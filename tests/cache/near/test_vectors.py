"""Questions in other words, through the whole gateway: who finds them, who must not, what becomes of the vectors."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from local.runtime.vectors import MemoryVectors
from lumigate.ports import VectorMatch
from tests.cache.near.make_vectors import vector_of
from tests.fakes import (
    CHAT_BODY,
    UPSTREAM_URL,
    WITH_KEY,
    FakeAnswer,
    FakeKeyValue,
    FakeSessions,
    GatewayUnderTest,
    completion,
    fake_ports,
    json_answer,
    make_gateway,
    make_request,
    whole_body,
)
from tests.fakes.settings import API_KEY

SEALING = "k:" + "bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4="
EMBEDDINGS_URL = UPSTREAM_URL.replace("chat/completions", "embeddings")
WHO_WROTE = "Who wrote Hamlet?"
AUTHOR = "Who is the author of Hamlet?"
MACBETH = "Who wrote Macbeth?"
MODELS = json.dumps(
    {
        "fast": {"provider": "openai", "model": "gpt-4o-mini", "region": "eu"},
        "vectors": {"provider": "openai", "model": "text-embedding-3-small", "region": "eu"},
    }
)
ADMIN_KEY = "test-key-of-an-operator"
ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}


def keys_of(tenant: str) -> str:
    """The usual key as one of that tenant's, and an operator's."""
    digests = [hashlib.sha256(key.encode()).hexdigest() for key in (API_KEY, ADMIN_KEY)]
    return f"{tenant}:{digests[0]},ops:{digests[1]}:admin"


class Credulous(MemoryVectors):
    """An index that applies neither namespace nor filter, as one without a metadata index might."""

    async def nearest(
        self, values: Sequence[float], *, namespace: str, where: Mapping[str, str], limit: int
    ) -> Sequence[VectorMatch]:
        del values, namespace, where
        return [
            VectorMatch(id=id, values=stored.values, metadata=stored.metadata)
            for id, stored in list(self._stored.items())[:limit]
        ]


def said(text: str) -> FakeAnswer:
    """What the embedding model answers."""
    data = [{"object": "embedding", "index": 0, "embedding": [value / 127 for value in vector_of(text)]}]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return json_answer({"object": "list", "data": data, "model": "e", "usage": usage})


def isolate(
    index: MemoryVectors | None, store: FakeKeyValue | None = None, *texts: str, **environ: Any
) -> GatewayUnderTest:
    """A gateway whose embedding model is asked for these texts, in this order."""
    environ = {
        "CACHE_NEAR_THRESHOLD": "0.8",
        "CACHE_NEAR_EMBEDDING_MODEL": "vectors",
        "CACHE_NEAR_VECTORS": "true",
        "SEALING_KEYS": SEALING,
        "MODELS": MODELS,
        "API_KEYS": keys_of("acme"),
    } | environ
    ports = fake_ports(key_value=FakeKeyValue() if store is None else store, vectors=index)
    rig = make_gateway(ports, **environ)
    rig.ports.fetch.script(UPSTREAM_URL, *(json_answer(completion(f"answer {n}")) for n in range(9)))
    rig.ports.fetch.script(EMBEDDINGS_URL, *map(said, texts))
    return rig


async def ask(
    rig: GatewayUnderTest, text: str, *, headers: Mapping[str, str] = WITH_KEY, **changes: Any
) -> tuple[str, str]:
    body = {**CHAT_BODY, "messages": [{"role": "user", "content": text}], **changes}
    response = await rig.send(body=body, headers=headers)
    document = json.loads(await whole_body(response))
    await rig.ports.background.run()
    return response.headers["x-lumigate-cache"], document["choices"][0]["message"]["content"]


def embeddings_asked(rig: GatewayUnderTest) -> int:
    return sum(call.url == EMBEDDINGS_URL for call in rig.ports.fetch.calls)


async def test_a_question_in_other_words_is_answered_and_its_likeness_is_told() -> None:
    rig = isolate(MemoryVectors(), None, WHO_WROTE, AUTHOR, MACBETH)
    assert await ask(rig, WHO_WROTE) == ("miss", "answer 0")
    assert await ask(rig, AUTHOR) == ("near-l1", "answer 0")
    assert await ask(rig, MACBETH) == ("miss", "answer 1")
    assert embeddings_asked(rig) == 3  # one a question: looking and learning share it
    spans = [span for span in rig.observed.spans if span.name == "cache.vectors"]
    assert [span.attributes["lumigate.cache.result"] for span in spans] == ["miss", "near", "miss"]
    told = spans[1].attributes["lumigate.cache.similarity"]
    assert isinstance(told, float)
    assert 0.9 < told < 1
    lookup = [span for span in rig.observed.spans if span.name == "cache.lookup"][1]
    assert lookup.attributes["lumigate.cache.outcome"] == "near-l1"
    assert lookup.attributes["lumigate.cache.similarity"] == told


async def test_another_isolate_finds_it_too() -> None:
    index, store = MemoryVectors(), FakeKeyValue()
    await ask(isolate(index, store, WHO_WROTE), WHO_WROTE)
    assert await ask(isolate(index, store, AUTHOR), AUTHOR) == ("near-l2", "answer 0")


async def test_it_is_off_unless_it_is_switched_on() -> None:
    index = MemoryVectors()
    rig = isolate(index, None, WHO_WROTE, AUTHOR, CACHE_NEAR_VECTORS="false")
    await ask(rig, WHO_WROTE)
    assert (await ask(rig, AUTHOR))[0] == "miss"
    assert len(index) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0},
        {"seed": 1},
        {"max_tokens": 5},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]},
    ],
    ids=str,
)
async def test_everything_around_the_words_must_be_the_same(change: dict[str, Any]) -> None:
    rig = isolate(MemoryVectors(), None, WHO_WROTE, AUTHOR)
    await ask(rig, WHO_WROTE)
    assert (await ask(rig, AUTHOR, **change))[0] == "miss"


async def test_tenants_never_share_even_if_the_index_ignores_whose_a_vector_is() -> None:
    index, store = Credulous(), FakeKeyValue()
    await ask(isolate(index, store, WHO_WROTE), WHO_WROTE)
    other = isolate(index, store, AUTHOR, API_KEYS=keys_of("globex"))
    assert await ask(other, AUTHOR) == ("miss", "answer 0")
    assert len(index) == 2
    namespaces = {stored.namespace for stored in index._stored.values()}
    assert len(namespaces) == 2
    assert not any("acme" in name or "globex" in name for name in namespaces)


async def test_what_the_index_says_is_looked_at_and_not_believed() -> None:
    index = Credulous()
    rig = isolate(index, None, WHO_WROTE, MACBETH)
    await ask(rig, WHO_WROTE)
    assert (await ask(rig, MACBETH))[0] == "miss"
    strange: tuple[dict[str, str | int], ...] = ({}, {"place": 1}, {"place": "x", "key": 2, "until": "soon"})
    for junk in strange:
        index._stored.clear()
        await index.put("id", vector_of(WHO_WROTE), namespace="n", metadata=junk)
        rig.ports.fetch.script(EMBEDDINGS_URL, said(AUTHOR))
        assert (await ask(rig, AUTHOR, seed=len(junk)))[0] == "miss"


async def test_no_prompt_lies_in_the_index_and_which_answer_it_leads_to_is_sealed() -> None:
    index = MemoryVectors()
    await ask(isolate(index, None, WHO_WROTE), WHO_WROTE)
    ((id, stored),) = index._stored.items()
    assert len(id) == 64
    assert set(stored.metadata) == {"place", "key", "until"}
    assert "hamlet" not in json.dumps(dict(stored.metadata)).lower()
    assert id[6:] not in str(stored.metadata["key"])


async def test_a_vector_cannot_be_made_to_lead_to_another_answer() -> None:
    index, store = MemoryVectors(), FakeKeyValue()
    rig = isolate(index, store, WHO_WROTE, MACBETH, AUTHOR)
    await ask(rig, WHO_WROTE)
    await ask(rig, MACBETH)
    (hamlet, one), (_, other) = index._stored.items()
    changed = {**one.metadata, "key": other.metadata["key"]}
    await index.put(hamlet, one.values, namespace=one.namespace, metadata=changed)
    assert await ask(rig, AUTHOR) == ("miss", "answer 2")
    await index.put(hamlet, one.values, namespace=one.namespace, metadata={**changed, "key": "?"})
    rig.ports.fetch.script(EMBEDDINGS_URL, said(AUTHOR))
    assert (await ask(rig, AUTHOR, seed=1))[0] == "miss"


async def test_a_request_bound_to_the_eu_leaves_no_vector_and_finds_none() -> None:
    index = MemoryVectors()
    rig = isolate(index, None, WHO_WROTE, AUTHOR, AUTHOR)
    bound = {**WITH_KEY, "x-lumigate-region": "eu"}
    await ask(rig, WHO_WROTE, headers=bound)
    assert len(index) == 0
    await ask(rig, WHO_WROTE)
    assert len(index) == 1
    assert (await ask(rig, AUTHOR, headers=bound))[0] == "miss"
    assert not [name for name in rig.observed.spans if name.name == "cache.vectors"][1:]


async def test_without_kv_nothing_is_stored_that_could_not_be_erased() -> None:
    index = MemoryVectors()
    rig = isolate(index, None, WHO_WROTE)
    rig.ports.key_value = None
    await ask(rig, WHO_WROTE)
    assert len(index) == 0


async def test_a_model_that_says_nothing_is_given_up_at_the_budget_and_stopped() -> None:
    rig = isolate(MemoryVectors(), None, CACHE_NEAR_VECTORS_BUDGET_MS="20")
    late = FakeAnswer(200, {}, [asyncio.Event()])
    rig.ports.fetch.script(EMBEDDINGS_URL, late, said(WHO_WROTE))
    assert await ask(rig, WHO_WROTE) == ("miss", "answer 0")
    assert late.cancelled
    assert rig.events[0]["status"] == 200


async def test_what_was_purged_is_near_nothing_and_what_a_key_names_is_gone() -> None:
    index = MemoryVectors()
    rig = isolate(index, None, WHO_WROTE, AUTHOR)
    response = await rig.send(
        body={**CHAT_BODY, "messages": [{"role": "user", "content": WHO_WROTE}]}, headers=WITH_KEY
    )
    key = response.headers["x-lumigate-cache-key"]
    await rig.ports.background.run()
    assert len(index) == 1
    purged = await rig.send("POST", "/admin/cache/purge", body={"tenant": "acme", "key": key}, headers=ADMIN)
    assert purged.status == 200
    assert len(index) == 0
    rig.ports.clock.advance(1)
    assert (await ask(rig, AUTHOR))[0] == "miss"


async def test_a_purge_of_the_tenant_is_heeded_though_its_vectors_are_still_there() -> None:
    index = MemoryVectors()
    rig = isolate(index, None, WHO_WROTE, AUTHOR)
    await ask(rig, WHO_WROTE)
    purged = await rig.send("POST", "/admin/cache/purge", body={"tenant": "acme"}, headers=ADMIN)
    assert (purged.status, len(index)) == (200, 1)
    rig.ports.clock.advance(1)
    assert (await ask(rig, AUTHOR))[0] == "miss"


async def test_erasing_a_tenant_takes_its_vectors_and_leaves_those_of_others() -> None:
    index, store = MemoryVectors(), FakeKeyValue()
    rig = isolate(index, store, WHO_WROTE, MACBETH)
    await ask(rig, WHO_WROTE)
    await ask(rig, MACBETH)
    await ask(isolate(index, store, WHO_WROTE, API_KEYS=keys_of("globex")), WHO_WROTE)
    assert len(index) == 3
    body = {"tenant": "acme", "erase": True}
    erased = await rig.send("POST", "/admin/cache/purge", body=body, headers=ADMIN)
    assert json.loads(await whole_body(erased))["more"] is False
    assert len(index) == 1
    assert len([name for name in store.values if name.startswith("vectors/")]) == 1


async def test_what_was_learnt_when_answers_lived_longer_is_erased_as_well() -> None:
    index, store = MemoryVectors(), FakeKeyValue()
    await ask(isolate(index, store, WHO_WROTE, CACHE_L2_TTL_SECONDS=str(20 * 86_400)), WHO_WROTE)
    body = {"tenant": "acme", "erase": True}
    assert len(index) == 1
    await isolate(index, store).send("POST", "/admin/cache/purge", body=body, headers=ADMIN)
    assert len(index) == 0


async def test_forgetting_a_subject_takes_the_vectors_of_its_tenant() -> None:
    index = MemoryVectors()
    rig = isolate(index, None, WHO_WROTE)
    rig.ports.sessions = FakeSessions(rig.ports.clock)
    await ask(rig, WHO_WROTE)
    assert len(index) == 1
    asked = replace(make_request("DELETE", "/admin/subjects/jane", headers=ADMIN), query="tenant=acme")
    forgotten = await rig.gateway.handle(asked, rig.ports)
    assert (forgotten.status, len(index)) == (200, 0)


async def test_vectors_of_days_that_are_over_are_swept_and_those_learnt_anew_stay() -> None:
    index, store = MemoryVectors(), FakeKeyValue()
    rig = isolate(index, store, WHO_WROTE, WHO_WROTE)
    await ask(rig, WHO_WROTE)
    rig.ports.clock.advance(86_400)
    await ask(rig, WHO_WROTE)
    assert len(index) == 2
    await rig.gateway.scheduled(rig.ports)
    assert len(index) == 1
    assert len([name for name in store.values if name.startswith("vectors/")]) == 1
    await rig.gateway.scheduled(rig.ports)
    assert len(index) == 1
