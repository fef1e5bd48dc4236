from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.auth.revocation import ANYTHING, PREFIX, Revocation, Revocations, entry_id
from lumigate.errors import CredentialStoreUnavailable, Unauthenticated
from tests.fakes import (
    ISSUER,
    NOW_SECONDS,
    FakeKeyValue,
    FakePorts,
    ScopeUnderTest,
    fake_ports,
    make_claims,
    make_scope,
    make_settings,
)

CHECKS = "lumigate.revocation.checks"


@dataclass(slots=True)
class Rig:
    """The deny list of an isolate over one store."""

    settings: dict[str, Any] = field(default_factory=dict)
    ports: FakePorts = field(default_factory=fake_ports)
    denied: Revocations = field(init=False)
    around: ScopeUnderTest = field(init=False)

    def __post_init__(self) -> None:
        self.denied = Revocations(make_settings(**self.settings).auth)
        self.around = make_scope(ports=self.ports)

    @property
    def store(self) -> FakeKeyValue:
        assert self.ports.key_value is not None
        return self.ports.key_value

    async def is_revoked(self, issuer: str = ISSUER, **claims: Any) -> bool:
        try:
            await self.denied.check(self.around.scope, issuer, make_claims(**claims))
        except Unauthenticated as error:
            if error.reason != "revoked":
                raise
            return True
        return False

    async def revoke(self, kind: str, value: str, before_s: float = math.inf, issuer: str = ISSUER) -> None:
        now_s = self.ports.clock.now_ns() / 1e9
        entry = Revocation(
            id=entry_id(kind, issuer, value),
            kind=kind,
            issuer=issuer,
            issued_before_s=before_s,
            created_s=int(now_s),
            expires_s=int(now_s) + self.denied.lifetime_seconds(),
        )
        await self.denied.revoke(self.store, entry, now_s)

    def reads(self) -> list[str]:
        """From now on, the names that are read."""
        names: list[str] = []
        get = self.store.get

        async def counted(name: str) -> bytes | None:
            names.append(name)
            return await get(name)

        self.store.get = counted  # type: ignore[method-assign, assignment]
        return names


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_token_is_refused_by_its_id_and_others_are_not(rig: Rig) -> None:
    await rig.revoke("jti", "one")
    assert await rig.is_revoked(jti="one")
    assert not await rig.is_revoked(jti="another")
    assert not await rig.is_revoked(jti=None)
    assert rig.around.observed.total(CHECKS, lumigate__revocation__result="revoked") == 1
    assert rig.around.observed.total(CHECKS, lumigate__revocation__result="clear") == 2


@pytest.mark.parametrize(
    ("issued", "revoked"), [(-60, True), (0, True), (0.5, False), (1, False), (3600, False), (None, True)]
)
async def test_a_subjects_tokens_are_refused_up_to_an_instant(
    rig: Rig, issued: float | None, revoked: bool
) -> None:
    """One that does not say when it was issued may be as old as any."""
    await rig.revoke("sub", "developer", NOW_SECONDS)
    iat = None if issued is None else NOW_SECONDS + issued
    assert await rig.is_revoked(iat=iat) is revoked
    assert not await rig.is_revoked(sub="somebody else", iat=iat)


async def test_the_same_id_of_another_issuer_is_another_token(rig: Rig) -> None:
    await rig.revoke("jti", "one", issuer="https://other.example")
    assert not await rig.is_revoked(jti="one")
    assert await rig.is_revoked("https://other.example", jti="one")


async def test_an_id_is_no_subject(rig: Rig) -> None:
    await rig.revoke("jti", "developer")
    assert not await rig.is_revoked(sub="developer")


async def test_where_nothing_was_ever_revoked_a_check_reads_one_name_in_a_while(rig: Rig) -> None:
    names = rig.reads()
    for number in range(20):
        assert not await rig.is_revoked(jti=str(number))
    assert names == [ANYTHING]
    rig.ports.clock.advance(30)
    await rig.is_revoked(jti="x")
    assert names == [ANYTHING, ANYTHING]


async def test_what_was_found_and_what_was_not_is_remembered_for_a_while(rig: Rig) -> None:
    await rig.revoke("jti", "one")
    names = rig.reads()
    for _ in range(5):
        assert await rig.is_revoked(jti="one")
        assert not await rig.is_revoked(jti="two")
    subject, two = (
        PREFIX + entry_id(*parts) for parts in (("sub", ISSUER, "developer"), ("jti", ISSUER, "two"))
    )
    assert sorted(names) == sorted([subject, two])


async def test_another_isolate_knows_within_the_time_it_remembers(rig: Rig) -> None:
    other = Rig(ports=rig.ports)
    assert not await other.is_revoked(jti="one")
    await rig.revoke("jti", "one")
    assert not await other.is_revoked(jti="one"), "it still remembers that there was nothing"
    rig.ports.clock.advance(30)
    assert await other.is_revoked(jti="one")
    assert rig.denied.effective_within_seconds == 60 + 30


async def test_an_entry_lives_as_long_as_any_token_it_can_concern() -> None:
    rig = Rig({"JWT_MAX_LIFETIME_SECONDS": "3600", "JWT_LEEWAY_SECONDS": "30"})
    await rig.revoke("jti", "one")
    (name,) = (name for name in rig.store.values if name.startswith(PREFIX))
    assert rig.store.ttl_seconds[name] == 3600 + 2 * 30
    assert rig.store.ttl_seconds[ANYTHING] >= rig.store.ttl_seconds[name]


async def test_the_mark_is_not_written_with_every_entry(rig: Rig) -> None:
    """KV takes one write a second for a key."""
    await rig.revoke("jti", "one")
    mark = rig.store.values[ANYTHING]
    for number in range(20):
        rig.ports.clock.advance(60)
        await rig.revoke("jti", f"more {number}")
    assert rig.store.values[ANYTHING] == mark


async def test_the_mark_outlives_every_entry() -> None:
    rig = Rig({"JWT_MAX_LIFETIME_SECONDS": "3600"})
    for number in range(20):
        await rig.revoke("jti", f"number {number}")
        now_s = rig.ports.clock.now_ns() / 1e9
        assert float(rig.store.values[ANYTHING]) >= now_s + rig.denied.lifetime_seconds()
        rig.ports.clock.advance(700)


async def test_neither_ids_nor_subjects_are_in_the_store(rig: Rig) -> None:
    await rig.revoke("jti", "token-4711")
    await rig.revoke("sub", "ann@example.com", NOW_SECONDS)
    text = str(rig.store.values)
    assert "4711" not in text
    assert "ann" not in text


async def test_when_the_store_fails_the_door_is_closed_unless_settings_open_it() -> None:
    closed, opened = Rig(), Rig({"REVOCATION_FAILURE": "open"})
    for rig in (closed, opened):
        rig.store.fault = OSError("unreachable")
    with pytest.raises(CredentialStoreUnavailable):
        await closed.is_revoked(jti="one")
    assert not await opened.is_revoked(jti="one")
    for rig in (closed, opened):
        assert rig.around.observed.total(CHECKS, lumigate__revocation__result="unavailable") == 1


async def test_when_one_read_fails_nothing_of_the_other_goes_on(rig: Rig) -> None:
    await rig.revoke("jti", "one")
    other = Rig(ports=rig.ports)
    get, begun, ended = rig.store.get, [], []

    async def halting(name: str) -> bytes | None:
        if ":sub:" in name:
            raise OSError("unreachable")
        begun.append(name)
        await asyncio.sleep(0.01)
        ended.append(name)
        return await get(name)

    rig.store.get = halting  # type: ignore[method-assign, assignment]
    with pytest.raises(CredentialStoreUnavailable):
        await other.is_revoked(jti="one")
    assert begun == ended


@pytest.mark.parametrize("stored", [b"", b"{", b"null", b'{"kind":"jti"}', b"\xff", b"soon"])
async def test_a_broken_entry_is_a_store_that_cannot_be_asked(rig: Rig, stored: bytes) -> None:
    await rig.revoke("jti", "one")
    other = Rig(ports=rig.ports)
    rig.store.values[PREFIX + entry_id("jti", ISSUER, "one")] = stored
    with pytest.raises(CredentialStoreUnavailable):
        await other.is_revoked(jti="one")


async def test_without_a_store_there_is_no_deny_list() -> None:
    assert not await Rig(ports=fake_ports(key_value=None)).is_revoked(jti="one")


@pytest.mark.parametrize("jti", [5, [], {}, "", None, True])
async def test_an_id_that_is_no_text_is_none(rig: Rig, jti: Any) -> None:
    await rig.revoke("jti", "one")
    assert not await rig.is_revoked(jti=jti)


@given(st.text(max_size=50), st.text(max_size=50), st.text(max_size=50), st.text(max_size=50))
def test_no_two_things_share_an_entry(issuer: str, value: str, other_issuer: str, other: str) -> None:
    same = (issuer, value) == (other_issuer, other)
    assert (entry_id("jti", issuer, value) == entry_id("jti", other_issuer, other)) is same
    assert len(PREFIX + entry_id("jti", issuer, value)) < 512


def test_an_issuer_and_an_id_are_told_apart_wherever_the_one_ends() -> None:
    """A revocation at one issuer must not be that of another, whose name begins the same."""
    assert entry_id("jti", "https://a.example/", "b") != entry_id("jti", "https://a.example/b", "")
    assert entry_id("jti", "1:2", "3") != entry_id("jti", "1", ":23")
