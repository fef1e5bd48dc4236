from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from lumigate.auth.api_keys import ApiKeys
from lumigate.auth.caller import Caller
from lumigate.auth.key_store import KEEP_SECONDS, PREFIX, KeyRecord
from lumigate.errors import CredentialStoreUnavailable, Unauthenticated
from tests.fakes import API_KEY, FakeKeyValue, FakePorts, fake_ports, make_scope, make_settings

PEPPER = "a pepper of the tests"
DAY = 86_400


@dataclass(slots=True)
class Rig:
    """The keys of an isolate over one store."""

    settings: dict[str, Any] = field(default_factory=lambda: {"API_KEY_PEPPER": PEPPER})
    ports: FakePorts = field(default_factory=fake_ports)
    keys: ApiKeys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = ApiKeys(make_settings(**self.settings).auth)

    @property
    def store(self) -> FakeKeyValue:
        assert self.ports.key_value is not None
        return self.ports.key_value

    @property
    def now_s(self) -> float:
        return self.ports.clock.now_ns() / 1e9

    async def create(self, *, days: float = 30, scopes: tuple[str, ...] = ("chat",)) -> tuple[str, KeyRecord]:
        scope = make_scope(ports=self.ports).scope
        return await self.keys.store(scope, self.store).create(
            tenant="acme", name="ci", scopes=scopes, now_s=self.now_s, expires_s=self.now_s + days * DAY
        )

    async def check(self, key: str) -> Caller:
        return await self.keys.check(make_scope(ports=self.ports).scope, key)

    async def refused(self, key: str) -> str:
        with pytest.raises(Unauthenticated) as caught:
            await self.check(key)
        return caught.value.reason

    async def revoke(self, identity: str) -> KeyRecord | None:
        scope = make_scope(ports=self.ports).scope
        return await self.keys.store(scope, self.store).revoke(identity, self.now_s)

    async def rotate(self, identity: str, overlap_seconds: float) -> tuple[str, KeyRecord, KeyRecord] | None:
        scope = make_scope(ports=self.ports).scope
        return await self.keys.store(scope, self.store).rotate(
            identity, now_s=self.now_s, overlap_seconds=overlap_seconds
        )


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_key_that_was_made_lets_in_with_its_tenant_and_scopes(rig: Rig) -> None:
    key, record = await rig.create(scopes=("chat", "embed"))
    assert await rig.check(key) == Caller(
        tenant="acme", subject=f"key:{record.id}", scopes=frozenset({"chat", "embed"})
    )


async def test_nothing_of_the_key_is_in_the_store(rig: Rig) -> None:
    key, record = await rig.create()
    secret = key.rpartition("_")[2]
    for name, value in rig.store.values.items():
        assert secret[:8] not in name + value.decode()
        assert hashlib.sha256(key.encode()).hexdigest() not in value.decode()
    assert rig.store.ttl_seconds[PREFIX + record.id] == 30 * DAY + KEEP_SECONDS


async def test_a_key_that_expired_is_refused_and_told_so(rig: Rig) -> None:
    key, _ = await rig.create(days=1)
    rig.ports.clock.advance(DAY - 1)
    await rig.check(key)
    rig.ports.clock.advance(1)
    assert await rig.refused(key) == "api_key_expired"


async def test_a_revoked_key_is_let_in_no_longer_than_isolates_remember_it(rig: Rig) -> None:
    key, record = await rig.create()
    await rig.check(key)
    assert await rig.revoke(record.id) is not None
    await rig.check(key)
    rig.ports.clock.advance(30)
    assert await rig.refused(key) == "api_key_revoked"


async def test_the_isolate_that_revoked_it_forgets_it_at_once(rig: Rig) -> None:
    key, record = await rig.create()
    await rig.check(key)
    await rig.revoke(record.id)
    rig.keys.changed(record)
    assert await rig.refused(key) == "api_key_revoked"


async def test_revoking_twice_changes_nothing_and_an_unknown_id_is_none(rig: Rig) -> None:
    _, record = await rig.create()
    first = await rig.revoke(record.id)
    rig.ports.clock.advance(60)
    assert await rig.revoke(record.id) == first
    assert await rig.revoke("a" * 12) is None
    assert await rig.revoke("../../../../x") is None


async def test_rotation_leaves_two_keys_good_for_the_overlap(rig: Rig) -> None:
    key, record = await rig.create()
    rotated = await rig.rotate(record.id, overlap_seconds=3600)
    assert rotated is not None
    new_key, successor, old = rotated
    assert (successor.tenant, successor.scopes, successor.name) == ("acme", ("chat",), "ci")
    assert (old.replaced_by, old.hash) == (successor.id, record.hash)
    for each in (key, new_key):
        assert (await rig.check(each)).tenant == "acme"
    rig.ports.clock.advance(3600)
    assert await rig.refused(key) == "api_key_expired"
    await rig.check(new_key)


async def test_rotation_never_lengthens_the_old_key_and_needs_an_active_one(rig: Rig) -> None:
    _, record = await rig.create(days=1)
    rotated = await rig.rotate(record.id, overlap_seconds=90 * DAY)
    assert rotated is not None
    assert rotated[2].expires_s == record.expires_s
    assert rotated[1].expires_s == record.expires_s
    await rig.revoke(record.id)
    assert await rig.rotate(record.id, overlap_seconds=60) is None
    assert await rig.rotate("a" * 12, overlap_seconds=60) is None


async def test_a_key_of_another_pepper_is_unknown_until_both_are_set(rig: Rig) -> None:
    key, _ = await rig.create()
    new = "a newer pepper for new keys"
    assert await Rig({"API_KEY_PEPPER": new}, rig.ports).refused(key) == "unknown_api_key"
    both = Rig({"API_KEY_PEPPER": f"{new},{PEPPER}"}, rig.ports)
    await both.check(key)
    assert (await both.check((await both.create())[0])).tenant == "acme"


async def test_a_right_id_with_a_wrong_secret_is_unknown(rig: Rig) -> None:
    from lumigate.auth.api_key import checksum

    key, _ = await rig.create()
    body = key[:17] + "0" * 32
    assert await rig.refused(body + checksum(body)) == "unknown_api_key"


async def test_a_key_that_does_not_exist_is_asked_for_once_in_a_while(rig: Rig) -> None:
    key, record = await rig.create()
    del rig.store.values[PREFIX + record.id]
    asked: list[str] = []
    get = rig.store.get

    async def counted(name: str) -> bytes | None:
        asked.append(name)
        return await get(name)

    rig.store.get = counted  # type: ignore[method-assign, assignment]
    for _ in range(10):
        assert await rig.refused(key) == "unknown_api_key"
    assert asked == [PREFIX + record.id]
    rig.ports.clock.advance(30)
    await rig.refused(key)
    assert len(asked) == 2


@pytest.mark.parametrize(
    "junk", ["lmg_", "lmg_x", "lmg_" + "a" * 12 + "_" + "b" * 38, "x" * 10_000, "sk-other"]
)
async def test_what_is_no_key_is_refused_without_asking_the_store(rig: Rig, junk: str) -> None:
    rig.store.fault = OSError("must not be asked")
    assert await rig.refused(junk) in ("api_key_malformed", "unknown_api_key")


async def test_a_store_that_fails_is_not_the_callers_fault(rig: Rig) -> None:
    key, _ = await rig.create()
    rig.store.fault = OSError("unreachable")
    with pytest.raises(CredentialStoreUnavailable):
        await rig.check(key)
    rig.store.fault = None
    await rig.check(key)


@pytest.mark.parametrize(
    "stored", [b"", b"{", b"[]", b"null", b'{"tenant":"acme"}', b"\xff", b'{"scopes":5}']
)
async def test_a_broken_record_lets_nobody_in_and_is_no_500(rig: Rig, stored: bytes) -> None:
    key, record = await rig.create()
    rig.store.values[PREFIX + record.id] = stored
    with pytest.raises(CredentialStoreUnavailable):
        await rig.check(key)


@pytest.mark.parametrize("change", [{"tenant": "umbrella"}, {"scopes": ["chat", "admin"]}, {"scopes": []}])
async def test_whoever_can_write_to_the_store_cannot_make_more_of_a_key(
    rig: Rig, change: dict[str, Any]
) -> None:
    key, record = await rig.create()
    name = PREFIX + record.id
    rig.store.values[name] = json.dumps(json.loads(rig.store.values[name]) | change).encode()
    assert await rig.refused(key) == "unknown_api_key"


async def test_without_a_pepper_or_a_store_there_are_no_such_keys(rig: Rig) -> None:
    key, _ = await rig.create()
    assert await Rig({}, rig.ports).refused(key) == "unknown_api_key"
    assert await Rig(rig.settings, fake_ports(key_value=None)).refused(key) == "unknown_api_key"


async def test_keys_of_the_settings_go_on_working_and_may_have_scopes(rig: Rig) -> None:
    assert (await rig.check(API_KEY)).scopes == frozenset()
    digest = hashlib.sha256(b"the operators key").hexdigest()
    with_scopes = Rig({"API_KEYS": f"ops:{digest}:admin metrics"})
    caller = await with_scopes.check("the operators key")
    assert (caller.tenant, caller.scopes) == ("ops", frozenset({"admin", "metrics"}))


async def test_a_list_goes_page_by_page_and_shows_every_key_once(rig: Rig) -> None:
    made = {(await rig.create())[1].id for _ in range(95)}
    scope = make_scope(ports=rig.ports).scope
    store, cursor, seen, pages = rig.keys.store(scope, rig.store), None, [], 0
    while True:
        records, cursor = await store.list(cursor)
        seen += [record.id for record in records]
        pages += 1
        if cursor is None:
            break
    assert (set(seen), len(seen), pages) == (made, 95, 3)


async def test_requests_side_by_side_share_what_was_found_and_not_the_asking(rig: Rig) -> None:
    key, _ = await rig.create()
    callers = await asyncio.gather(*(rig.check(key) for _ in range(20)))
    assert len(set(callers)) == 1
