from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from lumigate.errors import ConfigurationError
from lumigate.privacy.sealing import (
    MAX_SEALED_BYTES,
    AeadRejected,
    CannotOpen,
    Envelope,
    KeyRing,
    Purpose,
    Sealer,
    associated_data,
)

OLD, NEW = bytes(range(32)), bytes(range(1, 33))


def setting(**keys: bytes) -> str:
    return ",".join(f"{key_id}:{base64.b64encode(key).decode()}" for key_id, key in keys.items())


class RealAead:
    async def encrypt(self, key: bytes, *, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        return AESGCM(key).encrypt(nonce, plaintext, associated_data)

    async def decrypt(self, key: bytes, *, nonce: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        try:
            return AESGCM(key).decrypt(nonce, ciphertext, associated_data)
        except InvalidTag:
            raise AeadRejected from None


class CountingEntropy:
    def __init__(self) -> None:
        self._next = 0

    def random_bytes(self, count: int) -> bytes:
        self._next += 1
        return self._next.to_bytes(count)


def sealer(**keys: bytes) -> Sealer:
    return Sealer(KeyRing.from_setting(setting(**keys)), RealAead(), CountingEntropy())


async def reason(opener: Sealer, sealed: bytes, tenant: str = "t", purpose: Purpose = Purpose.SESSION) -> str:
    with pytest.raises(CannotOpen) as caught:
        await opener.open(sealed, tenant=tenant, purpose=purpose)
    return caught.value.reason


@pytest.mark.parametrize("value", [b"", b"hello", bytes(100_000)])
async def test_what_was_sealed_opens_for_the_same_tenant_and_purpose(value: bytes) -> None:
    it = sealer(k1=OLD)
    sealed = await it.seal(value, tenant="t", purpose=Purpose.SESSION)
    assert value not in sealed or not value
    assert await it.open(sealed, tenant="t", purpose=Purpose.SESSION) == value


async def test_it_does_not_open_for_another_tenant_purpose_or_key() -> None:
    sealed = await sealer(k1=OLD).seal(b"x", tenant="t", purpose=Purpose.SESSION)
    assert await reason(sealer(k1=OLD), sealed, tenant="u") == "rejected"
    assert await reason(sealer(k1=OLD), sealed, tenant="") == "rejected"
    assert await reason(sealer(k1=OLD), sealed, purpose=Purpose.CACHED_ANSWER) == "rejected"
    assert await reason(sealer(k1=NEW), sealed) == "rejected"
    assert await reason(sealer(k2=OLD), sealed) == "unknown_key"


async def test_no_changed_byte_is_accepted() -> None:
    it = sealer(k1=OLD)
    sealed = await it.seal(b"hello", tenant="t", purpose=Purpose.SESSION)
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        assert await reason(it, bytes(changed)) in ("malformed", "unknown_key", "rejected")
    for size in range(len(sealed)):
        assert await reason(it, sealed[:size]) in ("malformed", "rejected")


async def test_rotation_opens_old_values_and_seals_with_the_new_key() -> None:
    old = await sealer(k1=OLD).seal(b"x", tenant="t", purpose=Purpose.SESSION)
    rotated = sealer(k2=NEW, k1=OLD)
    assert await rotated.open(old, tenant="t", purpose=Purpose.SESSION) == b"x"
    new = await rotated.seal(b"x", tenant="t", purpose=Purpose.SESSION)
    assert Envelope.parse(new).key_id == "k2"


async def test_each_value_has_a_nonce_of_its_own() -> None:
    it = sealer(k1=OLD)
    sealed = [await it.seal(b"x", tenant="t", purpose=Purpose.SESSION) for _ in range(3)]
    assert len({Envelope.parse(one).nonce for one in sealed}) == 3


async def test_what_is_too_long_is_refused_before_the_cipher_sees_it() -> None:
    it = sealer(k1=OLD)
    with pytest.raises(ValueError, match="too long"):
        await it.seal(bytes(MAX_SEALED_BYTES), tenant="t", purpose=Purpose.SESSION)
    with pytest.raises(ValueError, match="tenant"):
        await it.seal(b"", tenant="t" * 2000, purpose=Purpose.SESSION)
    assert await reason(it, b"\1" + bytes(MAX_SEALED_BYTES)) == "malformed"


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda rest: b"\1\2k1" + rest))
def test_no_bytes_raise_anything_but_cannot_open(sealed: bytes) -> None:
    envelope = None
    with suppress(CannotOpen):
        envelope = Envelope.parse(sealed)
    assert envelope is None or envelope.to_bytes() == sealed


def test_associated_data_of_different_places_never_agree() -> None:
    places = {
        associated_data(key, tenant=tenant, purpose=purpose)
        for key in ("k", "ks")
        for tenant in ("t", "ts", "tsession", "セッション")
        for purpose in Purpose
    }
    assert len(places) == 16


def test_a_name_cannot_be_cut_so_that_it_reads_as_another_place() -> None:
    cuts = [("a", "sessionb"), ("asession", "b")]
    written = {f"{tenant}{Purpose.SESSION}{name}" for tenant, name in cuts}
    places = {
        associated_data("k", tenant=tenant, purpose=Purpose.SESSION, name=name) for tenant, name in cuts
    }
    assert (len(written), len(places)) == (1, 2)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no key"),
        ("k1", "entry 1 is not of the form"),
        (f"{setting(k1=OLD)},:{'A' * 44}", "entry 2 is not of the form"),
        (f"{'k' * 33}:{'A' * 44}", "entry 1 is not of the form"),
        ("k1:not base64!", "entry 1 is not valid base64"),
        (setting(k1=OLD[:16]), "entry 1 has 16 bytes"),
        (f"{setting(k1=OLD)},{setting(k1=NEW)}", "entry 2 has the id"),
        (setting(k1=OLD, k2=OLD), "one key under two ids"),
        (setting(**{f"k{n}": bytes([n]) * 32 for n in range(17)}), "more than 16"),
    ],
)
def test_a_malformed_setting_is_named_and_not_quoted(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^SEALING_KEYS: ") as caught:
        KeyRing.from_setting(text)
    assert problem in str(caught.value)
    assert not text or text not in str(caught.value)


def test_no_key_is_in_the_repr_of_a_ring() -> None:
    ring = KeyRing.from_setting(setting(k1=OLD))
    assert "keys" not in repr(ring)
    assert ring.current == "k1"
