from __future__ import annotations

import base64
import json
import stat
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.mocks.issuer import Issuer, SigningKey, TokenMint
from local.runtime.crypto import LocalCrypto

MINT = TokenMint(SigningKey.generate())


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, signature, and what was signed."""
    head, payload, signature = token.split(".")

    def decode(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    return (
        json.loads(decode(head)),
        json.loads(decode(payload)),
        decode(signature),
        f"{head}.{payload}".encode(),
    )


async def verifies(token: str, jwk: dict[str, Any]) -> bool:
    _, _, signature, message = parts(token)
    crypto = LocalCrypto()
    return await crypto.verify(await crypto.import_key(jwk, "RS256"), signature, message)


async def test_a_valid_token_verifies_against_the_published_key_set(client: httpx.AsyncClient) -> None:
    async with Issuer() as issuer:
        token = issuer.valid(sub="ann", tenant="globex", scope=["a"])
        keys = (await client.get(issuer.jwks_url)).json()["keys"]
        assert issuer.fetches == 1
    header, claims, _, _ = parts(token)
    assert header == {"alg": "RS256", "typ": "JWT", "kid": keys[0]["kid"]}
    assert (claims["sub"], claims["tenant"], claims["scope"]) == ("ann", "globex", ["a"])
    assert claims["nbf"] <= time.time() < claims["exp"]
    assert "d" not in keys[0]
    assert await verifies(token, keys[0])


async def test_rotation_publishes_both_keys_or_only_the_new_one(client: httpx.AsyncClient) -> None:
    async with Issuer() as issuer:
        old = issuer.key
        new = issuer.rotate()
        kids = [key["kid"] for key in (await client.get(issuer.jwks_url)).json()["keys"]]
        assert kids == [old.kid, new.kid]
        assert parts(issuer.valid())[0]["kid"] == new.kid
        newest = issuer.rotate(keep_old=False)
        kids = [key["kid"] for key in (await client.get(issuer.jwks_url)).json()["keys"]]
        assert kids == [newest.kid]


async def test_the_key_set_can_be_made_to_fail(client: httpx.AsyncClient) -> None:
    async with Issuer() as issuer:
        issuer.failing_status = 503
        assert (await client.get(issuer.jwks_url)).status_code == 503


@pytest.mark.parametrize(
    ("name", "good_signature"),
    [
        ("expired", True),
        ("not_yet_valid", True),
        ("foreign_issuer", True),
        ("foreign_audience", True),
        ("unknown_key", False),
        ("forged", False),
        ("tampered", False),
        ("unsigned", False),
    ],
)
async def test_each_bad_token_is_bad_in_its_one_way(name: str, good_signature: bool) -> None:
    token = getattr(MINT, name)(sub="ann")
    header, claims, signature, _ = parts(token)
    now = time.time()
    flaws = {
        "expired": claims["exp"] <= now,
        "not_yet_valid": claims["nbf"] > now,
        "foreign_issuer": claims["iss"] != MINT.issuer,
        "foreign_audience": claims["aud"] != MINT.audience,
        "unknown_key": header.get("kid") != MINT.key.kid,
        "unsigned": header["alg"] == "none" and signature == b"",
        "tampered": claims["sub"] == "root",
    }
    assert await verifies(token, MINT.key.jwk) == good_signature
    assert [flaw for flaw, there in flaws.items() if there] == ([name] if name != "forged" else [])


def test_a_claim_or_a_header_member_can_be_left_out() -> None:
    header, claims, _, _ = parts(MINT.valid(exp=None, header={"kid": None}))
    assert "exp" not in claims
    assert "kid" not in header


def test_the_key_is_kept_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "issuer.pem"
    key = SigningKey.load_or_generate(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKey.load_or_generate(path).kid == key.kid


def test_a_file_that_holds_no_key_is_a_value_error(tmp_path: Path) -> None:
    path = tmp_path / "issuer.pem"
    path.write_text("nonsense")
    with pytest.raises(ValueError, match="PEM"):
        SigningKey.load(path)
