"""The admin routes of the cache: purges by everything that can be named, and nothing more than that."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.fakes import (
    CHAT_BODY,
    JWKS_URL,
    UPSTREAM_URL,
    WITH_KEY,
    FakeBlobs,
    FakeKeyValue,
    GatewayUnderTest,
    completion,
    error_of,
    fake_ports,
    json_answer,
    key_set,
    make_claims,
    make_gateway,
    make_token,
    whole_body,
)

ADMIN = {"authorization": "Bearer the-operators-key"}
KEYS = f"ops:{hashlib.sha256(b'the-operators-key').hexdigest()}:admin"
SEALING = "k:" + "bm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm5ubm4="


def make_rig(
    key_value: FakeKeyValue | None = None, blobs: FakeBlobs | None = None, **more: Any
) -> GatewayUnderTest:
    """An isolate; several share their stores."""
    rig = make_gateway(
        fake_ports(key_value=key_value, blobs=blobs), API_KEYS=KEYS, SEALING_KEYS=SEALING, **more
    )
    rig.ports.fetch.script(UPSTREAM_URL, *(json_answer(completion()) for _ in range(20)))
    rig.ports.fetch.script(JWKS_URL, key_set("k1"))
    return rig


async def outcome(rig: GatewayUnderTest, tenant: str = "acme", tag: str = "", **changes: Any) -> str:
    headers = {"authorization": f"Bearer {make_token(make_claims(tenant=tenant))}"}
    if tag:
        headers["x-lumigate-cache-tag"] = tag
    response = await rig.send(headers=headers, body={**CHAT_BODY, **changes})
    await rig.ports.background.run()
    return response.headers["x-lumigate-cache"]


async def purged(rig: GatewayUnderTest, **body: Any) -> dict[str, Any]:
    response = await rig.send("POST", "/admin/cache/purge", headers=ADMIN, body=body)
    document: dict[str, Any] = json.loads(await whole_body(response))
    assert response.status == 200, document
    rig.ports.clock.advance(1)
    return document


@pytest.mark.parametrize(
    ("body", "gone"),
    [
        ({"tenant": "acme"}, {"acme"}),
        ({"everyone": True}, {"acme", "umbrella"}),
        ({"tenant": "acme", "model": "fast"}, {"acme"}),
        ({"everyone": True, "model": "gpt-4o-mini"}, {"acme", "umbrella"}),
        ({"tenant": "acme", "model": "slow"}, set()),
        ({"everyone": True, "tag": "doc-1"}, {"acme"}),
        ({"tenant": "umbrella", "tag": "doc-1"}, set()),
        ({"shared": True}, set()),
    ],
    ids=str,
)
async def test_a_purge_takes_out_what_it_names_in_every_tier_and_isolate(
    body: dict[str, Any], gone: set[str]
) -> None:
    store, blobs = FakeKeyValue(), FakeBlobs()
    rig, other = make_rig(store, blobs), make_rig(store, blobs)
    for isolate, expected in ((rig, "miss"), (other, "hit-l2")):
        assert await outcome(isolate, "acme", tag="doc-1") == expected
        assert await outcome(isolate, "umbrella", tag="doc-2") == expected
    await purged(rig, **body)
    other.ports.clock.advance(61)  # twice the time in which a purge is seen
    for tenant in ("acme", "umbrella"):
        assert (await outcome(rig, tenant) == "miss") is (tenant in gone)
    fresh = make_rig(store, blobs)
    for isolate in (other, fresh):
        isolate.ports.clock.advance(1)
        assert (await outcome(isolate, "acme")).startswith("hit")  # asked for anew above, or never gone


async def test_an_isolate_that_has_not_asked_since_serves_nothing_that_was_purged() -> None:
    store = FakeKeyValue()
    rig, other = make_rig(store), make_rig(store)
    await outcome(rig)
    assert await outcome(other) == "hit-l2"
    await purged(rig, tenant="acme")
    other.ports.clock.advance(61)
    assert await outcome(other) == "miss"


async def test_an_answer_that_was_asked_for_before_a_purge_is_purged_though_it_came_after() -> None:
    rig = make_rig(FakeKeyValue())
    headers = {"authorization": f"Bearer {make_token(make_claims(tenant='acme'))}"}
    await rig.send(headers=headers)
    # The write below memory is still waiting: it must not bring back what a purge has taken out.
    await purged(rig, tenant="acme")
    await rig.ports.background.run()
    assert await outcome(rig) == "miss"


async def test_one_answer_is_purged_by_the_key_in_its_header() -> None:
    store, blobs = FakeKeyValue(), FakeBlobs()
    rig = make_rig(store, blobs)
    headers = {"authorization": f"Bearer {make_token(make_claims(tenant='acme'))}"}
    response = await rig.send(headers=headers)
    await outcome(rig, temperature=0)
    await rig.ports.background.run()
    await purged(rig, tenant="acme", key=response.headers["x-lumigate-cache-key"])
    assert await outcome(rig) == "miss"
    assert await outcome(rig, temperature=0) == "hit-l1"


async def test_erasing_leaves_nothing_of_a_tenant_at_rest_and_everything_of_others() -> None:
    store, blobs = FakeKeyValue(), FakeBlobs()
    rig = make_rig(store, blobs)
    for tenant in ("acme", "umbrella"):
        for temperature in (0, 0.5):
            await outcome(rig, tenant, temperature=temperature)
    answer = await purged(rig, tenant="acme", erase=True)
    assert (answer["erased"], answer["more"]) == (4, False)
    left = [name for name in (*store.values, *blobs.values) if name.startswith("cache/")]
    assert len(left) == 4
    assert await outcome(rig, "umbrella", temperature=0) == "hit-l1"


async def test_stats_tell_what_this_isolate_knows_and_what_lies_below() -> None:
    rig = make_rig(FakeKeyValue(), FakeBlobs())
    await outcome(rig)
    response = await rig.send("GET", "/admin/cache", headers=ADMIN)
    told = json.loads(await whole_body(response))
    assert told["l1"]["entries"] == 1
    assert told["breakers"] == {"l2": "closed", "l3": "closed"}
    assert "l2" not in told


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tenant": "acme", "everyone": True},
        {"tenant": ""},
        {"everyone": True, "key": "0" * 64},
        {"tenant": "acme", "key": "short"},
        {"tenant": "acme", "model": "a", "tag": "b"},
        {"tenant": "acme", "tag": "no tag"},
        {"everyone": True, "erase": True},
        {"tenant": "acme", "unknown": 1},
        [],
    ],
    ids=str,
)
async def test_a_purge_that_makes_no_sense_is_refused_and_purges_nothing(body: Any) -> None:
    rig = make_rig(FakeKeyValue())
    await outcome(rig)
    response = await rig.send("POST", "/admin/cache/purge", headers=ADMIN, body=body)
    assert response.status == 400
    assert await outcome(rig) == "hit-l1"


async def test_who_has_not_the_scope_purges_nothing() -> None:
    rig = make_gateway()
    response = await rig.send("POST", "/admin/cache/purge", headers=WITH_KEY, body={"everyone": True})
    assert response.status == 403
    assert error_of(response)["code"]


async def test_a_purge_that_cannot_be_told_to_others_fails() -> None:
    rig = make_rig(FakeKeyValue())
    assert rig.ports.key_value is not None
    rig.ports.key_value.fault = OSError("down")
    response = await rig.send("POST", "/admin/cache/purge", headers=ADMIN, body={"everyone": True})
    assert response.status == 503
