from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.auth import jws
from lumigate.errors import Unauthenticated
from tests.fakes import base64url, fake_signature, make_token, raised_by

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
TOKEN_LIKE = st.builds(".".join, st.lists(st.text("ABCabc019-_=+/ é", max_size=12), min_size=2, max_size=4))


def reason_of(token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        jws.parse(token)
    return caught.value.reason


def token_of(header: Any, payload: Any = None, signature: str = "c2ln") -> str:
    parts = (json.dumps(part).encode() for part in (header, {} if payload is None else payload))
    return ".".join([*map(base64url, parts), signature])


def refuses_or_accepts(text: str) -> None:
    """Whatever `parse` does, it raises nothing but `Unauthenticated`."""
    error = raised_by(Unauthenticated, jws.parse, text)
    assert error is None or error.reason in ("malformed", "unsupported_algorithm")


@given(st.text() | TOKEN_LIKE)
def test_no_text_raises_anything_but_unauthenticated(text: str) -> None:
    refuses_or_accepts(text)


@given(header=JSON_VALUES, payload=JSON_VALUES)
def test_no_json_in_a_token_raises_anything_but_unauthenticated(header: Any, payload: Any) -> None:
    refuses_or_accepts(token_of(header, payload))


@given(name=st.sampled_from(["alg", "kid", "jwk", "crit", "typ"]), value=JSON_VALUES)
def test_no_header_member_raises_anything_but_unauthenticated(name: str, value: Any) -> None:
    refuses_or_accepts(token_of({"alg": "RS256", "kid": "k1", name: value}))


@given(claims=st.dictionaries(st.text(), JSON_VALUES), kid=st.text())
def test_what_a_signer_wrote_is_read_back_and_the_signature_covers_it(
    claims: dict[str, Any], kid: str
) -> None:
    token = make_token(claims, kid=kid)
    parsed = jws.parse(token)
    assert parsed.algorithm == "RS256"
    assert parsed.key_id == kid
    assert parsed.claims == claims
    assert parsed.signed.decode() == token.rpartition(".")[0]
    assert parsed.signature == fake_signature(f"secret of {kid}", parsed.signed)


@given(st.binary(min_size=1, max_size=64))
def test_each_signature_has_one_spelling(signature: bytes) -> None:
    """Base64url with stray bits in its last character decodes to the same bytes elsewhere; here it is refused."""
    spelled = base64url(signature)
    head = token_of({"alg": "RS256", "kid": "k1"}, signature="")
    assert jws.parse(head + spelled).signature == signature
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [head + spelled[:-1] + char for char in alphabet if char != spelled[-1]]
    accepted = [other for other in others if raised_by(Unauthenticated, jws.parse, other) is None]
    decoded = [jws.parse(other).signature for other in accepted]
    assert signature not in decoded
    assert len(set(decoded)) == len(decoded)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        "a.b",
        "a.b.c.d",
        "e30.e30",
        "e30=.e30.c2ln",
        token_of({"alg": "RS256", "kid": "k1"}) + "\n",
        "e3 0.e30.c2ln",
        "e30.e30.c2l+",
        "e30.e30.é",
        "A.e30.c2ln",
        token_of([]),
        token_of("RS256"),
        token_of({"alg": "RS256", "kid": "k1"}, []),
        token_of({"alg": "RS256", "kid": "k1"}, "claims"),
        token_of({"alg": "RS256"}),
        token_of({"alg": "RS256", "kid": 5}),
        token_of({"alg": "RS256", "kid": None}),
        token_of({"alg": "RS256", "kid": "k1", "jwk": {}}),
        token_of({"alg": "RS256", "kid": "k1", "jku": "https://evil.example"}),
        token_of({"alg": "RS256", "kid": "k1", "x5u": "https://evil.example"}),
        token_of({"alg": "RS256", "kid": "k1", "x5c": []}),
        token_of({"alg": "RS256", "kid": "k1", "crit": ["b64"]}),
        base64url(b'{"alg":"RS256","kid":"\xff"}') + ".e30.c2ln",
        base64url(b"[" * 5000) + ".e30.c2ln",
        base64url(b'{"alg":"RS256","kid":"k1"}') + "." + base64url(b'{"exp":NaN}') + ".c2ln",
        token_of({"alg": "RS256", "kid": "k1"}, {"exp": "x" * jws.MAX_TOKEN_CHARS}),
        base64url(b'{"alg":"RS256","kid":"k1"}') + "." + base64url(b'{"exp":' + b"9" * 5000 + b"}") + ".c2ln",
    ],
)
def test_what_is_not_a_compact_token_is_malformed(token: str) -> None:
    assert reason_of(token) == "malformed"


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "HS256", "RS512", "ES256", "", 256, None, [], {}, ["RS256"]]
)
def test_only_the_algorithms_that_settings_allow_are_accepted(algorithm: Any) -> None:
    assert reason_of(token_of({"alg": algorithm, "kid": "k1"})) == "unsupported_algorithm"


def test_an_algorithm_is_refused_before_anything_else_of_the_header_is_looked_at() -> None:
    assert reason_of(token_of({"alg": "none", "jwk": {}}, signature="")) == "unsupported_algorithm"


def test_an_unsigned_token_that_claims_rs256_parses_to_an_empty_signature() -> None:
    """It is the signature check that refuses it."""
    assert jws.parse(token_of({"alg": "RS256", "kid": "k1"}, signature="")).signature == b""


@pytest.mark.parametrize(
    ("text", "is_token"), [("a.b.c", True), ("..", True), ("sk-1.5", False), ("key", False)]
)
def test_two_dots_tell_a_token_from_an_api_key(text: str, is_token: bool) -> None:
    assert jws.looks_like_jws(text) is is_token
