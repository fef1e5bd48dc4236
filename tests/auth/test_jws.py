from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
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


def parse(text: str) -> jws.Token:
    return jws.parse(text, ("RS256", "ES256", "EdDSA"))


def reason_of(token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        parse(token)
    return caught.value.reason


def token_of(header: Any, payload: Any = None, signature: str = "c2ln") -> str:
    parts = (json.dumps(part).encode() for part in (header, {} if payload is None else payload))
    return ".".join([*map(base64url, parts), signature])


def refuses_or_accepts(text: str) -> None:
    """Whatever `parse` does, it raises nothing but `Unauthenticated`."""
    error = raised_by(Unauthenticated, parse, text)
    assert error is None or error.reason in ("malformed", "unsupported_algorithm", "bad_signature")


@given(st.text() | TOKEN_LIKE)
def test_no_text_raises_anything_but_unauthenticated(text: str) -> None:
    refuses_or_accepts(text)


@given(header=JSON_VALUES, payload=JSON_VALUES)
def test_no_json_in_a_token_raises_anything_but_unauthenticated(header: Any, payload: Any) -> None:
    refuses_or_accepts(token_of(header, payload))


@given(name=st.sampled_from(["alg", "kid", "jwk", "crit", "typ"]), value=JSON_VALUES)
def test_no_header_member_raises_anything_but_unauthenticated(name: str, value: Any) -> None:
    refuses_or_accepts(token_of({"alg": "RS256", "kid": "k1", name: value}))


@given(claims=st.dictionaries(st.text(), JSON_VALUES), kid=st.text(max_size=40))
def test_what_a_signer_wrote_is_read_back_and_the_signature_covers_it(
    claims: dict[str, Any], kid: str
) -> None:
    token = make_token(claims, kid=kid)
    assume(len(token) <= jws.MAX_TOKEN_CHARS)
    parsed = parse(token)
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
    assert parse(head + spelled).signature == signature
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [head + spelled[:-1] + char for char in alphabet if char != spelled[-1]]
    accepted = [other for other in others if raised_by(Unauthenticated, parse, other) is None]
    decoded = [parse(other).signature for other in accepted]
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
    "algorithm", ["none", "None", "HS256", "RS512", "rs256", "ES384", "", 256, None, [], {}, ["RS256"]]
)
def test_only_the_algorithms_that_settings_allow_are_accepted(algorithm: Any) -> None:
    assert reason_of(token_of({"alg": algorithm, "kid": "k1"})) == "unsupported_algorithm"


def test_an_algorithm_is_refused_before_anything_else_of_the_header_is_looked_at() -> None:
    assert reason_of(token_of({"alg": "none", "jwk": {}}, signature="")) == "unsupported_algorithm"


@pytest.mark.parametrize(
    ("algorithm", "signature"),
    [
        ("RS256", b""),
        ("ES256", b""),
        ("ES256", bytes(63)),
        ("ES256", bytes(65)),
        ("ES256", bytes.fromhex("3045022100") + bytes(33) + bytes.fromhex("0220") + bytes(32)),
        ("EdDSA", bytes(63)),
    ],
)
def test_what_cannot_be_a_signature_is_a_bad_one_before_any_key_is_looked_for(
    algorithm: str, signature: bytes
) -> None:
    """An empty one, and one in DER where r and s belong side by side (RFC 7518, section 3.4)."""
    token = token_of({"alg": algorithm, "kid": "k1"}, signature=base64url(signature))
    assert reason_of(token) == "bad_signature"


@pytest.mark.parametrize(
    "text",
    [
        b'{"alg":"RS256","kid":"k1","alg":"RS256"}',
        b'{"alg":"none","kid":"k1","alg":"RS256"}',
        b'{"alg":"RS256","kid":"k1","k\\u0069d":"k2"}',
    ],
)
def test_a_header_member_that_comes_twice_is_malformed(text: bytes) -> None:
    """Two readers may each believe another (RFC 7515, section 5.2)."""
    assert reason_of(f"{base64url(text)}.e30.c2ln") == "malformed"


def test_a_claim_that_comes_twice_is_malformed() -> None:
    head = base64url(b'{"alg":"RS256","kid":"k1"}')
    payload = base64url(b'{"sub":"a","sub":"root"}')
    assert reason_of(f"{head}.{payload}.c2ln") == "malformed"


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "crit", "b64", "enc", "zip"])
@pytest.mark.parametrize("value", [None, "", [], {}, ["b64"], "https://evil.example", False])
def test_a_header_that_brings_a_key_or_an_extension_is_malformed_whatever_is_in_it(
    name: str, value: Any
) -> None:
    assert reason_of(token_of({"alg": "RS256", "kid": "k1", name: value})) == "malformed"


def test_a_header_and_a_key_id_are_bounded() -> None:
    assert parse(token_of({"alg": "RS256", "kid": "k" * jws.MAX_KEY_ID_CHARS})).key_id
    assert reason_of(token_of({"alg": "RS256", "kid": "k" * (jws.MAX_KEY_ID_CHARS + 1)})) == "malformed"
    assert reason_of(token_of({"alg": "RS256", "kid": "k", "x": "x" * jws.MAX_HEADER_CHARS})) == "malformed"


@pytest.mark.parametrize(
    "kid", ["../../etc/passwd", "' OR 1=1 --", "k1\n", "\0", "__proto__", "k1/../k2", "🔑"]
)
def test_a_key_id_is_a_name_and_nothing_else(kid: str) -> None:
    """It is never a path, a query or a pattern: it is compared with the ids of the key set, as it stands."""
    assert parse(token_of({"alg": "RS256", "kid": kid})).key_id == kid


@pytest.mark.parametrize(
    ("typ", "expected"),
    [("JWT", "jwt"), ("at+JWT", "at+jwt"), ("application/at+jwt", "at+jwt"), (None, None)],
)
def test_the_type_is_read_without_its_case_and_prefix(typ: str | None, expected: str | None) -> None:
    header = {"alg": "RS256", "kid": "k1"} | ({} if typ is None else {"typ": typ})
    assert parse(token_of(header)).type == expected


@pytest.mark.parametrize(
    ("text", "is_token"), [("a.b.c", True), ("..", True), ("sk-1.5", False), ("key", False)]
)
def test_two_dots_tell_a_token_from_an_api_key(text: str, is_token: bool) -> None:
    assert jws.looks_like_jws(text) is is_token
