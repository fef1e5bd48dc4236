"""Cached answers below memory are sealed: nobody reads them at rest, and no tenant reads another's."""

from __future__ import annotations

import base64
import json

import pytest

from tests.fakes import (
    UPSTREAM_URL,
    FakeBlobs,
    FakeKeyValue,
    completion,
    fake_ports,
    json_answer,
    make_gateway,
    whole_body,
)

KEYS = "new:" + base64.b64encode(b"n" * 32).decode()
ROTATED = "newer:" + base64.b64encode(b"m" * 32).decode() + "," + KEYS
ANSWER = "the attic key is under the mat"


async def asked(store: FakeKeyValue | FakeBlobs, keys: str | None) -> tuple[str, str]:
    """What an isolate with a cold memory answers, and where it had it from."""
    ports = {"key_value": store} if isinstance(store, FakeKeyValue) else {"key_value": None, "blobs": store}
    rig = make_gateway(fake_ports(**ports), **({"SEALING_KEYS": keys} if keys else {}))
    rig.ports.fetch.script(UPSTREAM_URL, json_answer(completion(ANSWER)))
    response = await rig.send()
    await rig.ports.background.run()
    content = json.loads(await whole_body(response))["choices"][0]["message"]["content"]
    return content, response.headers["x-lumigate-cache"]


def stored(store: FakeKeyValue | FakeBlobs) -> bytes:
    (value,) = [value for key, value in store.values.items() if key.startswith("cache/")]
    return value


@pytest.mark.parametrize(("kind", "tier"), [(FakeKeyValue, "l2"), (FakeBlobs, "l3")])
async def test_at_rest_the_answer_cannot_be_read(
    kind: type[FakeKeyValue] | type[FakeBlobs], tier: str
) -> None:
    store = kind()
    assert await asked(store, KEYS) == (ANSWER, "miss")
    assert ANSWER.encode() not in stored(store)
    assert await asked(store, KEYS) == (ANSWER, f"hit-{tier}")


async def test_without_keys_it_is_stored_as_it_is() -> None:
    store = FakeKeyValue()
    await asked(store, None)
    assert ANSWER.encode() in stored(store)


async def test_an_older_key_still_opens_what_it_sealed() -> None:
    store = FakeKeyValue()
    await asked(store, KEYS)
    assert await asked(store, ROTATED) == (ANSWER, "hit-l2")


async def test_a_value_that_does_not_open_is_a_miss_and_not_an_error_for_the_caller() -> None:
    store = FakeKeyValue()
    await asked(store, KEYS)
    lost = "other:" + base64.b64encode(b"x" * 32).decode()
    assert await asked(store, lost) == (ANSWER, "miss")


async def test_an_answer_is_sealed_once_for_all_tiers() -> None:
    key_value, blobs = FakeKeyValue(), FakeBlobs()
    rig = make_gateway(fake_ports(key_value=key_value, blobs=blobs), SEALING_KEYS=KEYS)
    rig.ports.fetch.script(UPSTREAM_URL, json_answer(completion(ANSWER)))
    await whole_body(await rig.send())
    await rig.ports.background.run()
    assert stored(key_value) == stored(blobs)
    assert await asked(key_value, KEYS) == (ANSWER, "hit-l2")
    assert await asked(blobs, KEYS) == (ANSWER, "hit-l3")
