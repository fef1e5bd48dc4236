from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.auth.claims import ClaimRules, check_claims, check_type, scopes, text
from lumigate.errors import Unauthenticated
from tests.fakes import AUDIENCE, ISSUER, NOW_SECONDS, make_claims, raised_by

RULES = ClaimRules(issuer=ISSUER, audiences=frozenset({AUDIENCE}), leeway_seconds=30)
CLERK = ClaimRules(
    issuer=ISSUER, audiences=frozenset(), parties=frozenset({"https://app.example"}), leeway_seconds=30
)
ACCEPTED = "accepted"


def verdict(claims: dict[str, Any], rules: ClaimRules = RULES) -> str:
    try:
        check_claims(claims, rules, NOW_SECONDS)
    except Unauthenticated as error:
        return error.reason
    return ACCEPTED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ACCEPTED),
        # exp: required; the leeway's last instant is already too late
        ({"exp": None}, "malformed"),
        ({"exp": NOW_SECONDS + 1}, ACCEPTED),
        ({"exp": NOW_SECONDS}, ACCEPTED),
        ({"exp": NOW_SECONDS - 29.999}, ACCEPTED),
        ({"exp": NOW_SECONDS - 30}, "expired"),
        ({"exp": NOW_SECONDS - 3600}, "expired"),
        ({"exp": 0}, "expired"),
        ({"exp": -1}, "expired"),
        # nbf and iat: optional
        ({"nbf": NOW_SECONDS + 30}, ACCEPTED),
        ({"nbf": NOW_SECONDS + 30.001}, "not_yet_valid"),
        ({"iat": None}, ACCEPTED),
        ({"iat": NOW_SECONDS + 30}, ACCEPTED),
        ({"iat": NOW_SECONDS + 3600}, "not_yet_valid"),
        # iss
        ({"iss": None}, "wrong_issuer"),
        ({"iss": ISSUER.rstrip("/")}, "wrong_issuer"),
        ({"iss": [ISSUER]}, "wrong_issuer"),
        ({"iss": 1}, "wrong_issuer"),
        # aud: a string or a list of them
        ({"aud": None}, "wrong_audience"),
        ({"aud": "another"}, "wrong_audience"),
        ({"aud": ["another", AUDIENCE]}, ACCEPTED),
        ({"aud": []}, "wrong_audience"),
        ({"aud": [[AUDIENCE]]}, "wrong_audience"),
        ({"aud": {AUDIENCE: True}}, "wrong_audience"),
        ({"aud": f"{AUDIENCE} another"}, "wrong_audience"),
        # azp: of no interest unless settings name parties
        ({"azp": "https://elsewhere.example"}, ACCEPTED),
        # the first reason that applies is told
        ({"iss": "x", "aud": "x", "exp": 0}, "wrong_issuer"),
        ({"aud": "x", "exp": 0}, "wrong_audience"),
        ({"exp": 0, "nbf": NOW_SECONDS + 3600}, "expired"),
    ],
)
def test_claims_are_judged_by_this_table(changes: dict[str, Any], expected: str) -> None:
    assert verdict(make_claims(**changes)) == expected


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value", [True, False, "1700000000", "", [], {}, float("nan"), float("inf"), float("-inf"), 10**400]
)
def test_an_instant_that_is_not_a_finite_number_is_malformed(name: str, value: Any) -> None:
    assert verdict(make_claims(**{name: value})) == "malformed"


def test_without_leeway_a_token_holds_until_the_instant_it_names() -> None:
    strict = replace(RULES, leeway_seconds=0)
    assert verdict(make_claims(exp=NOW_SECONDS + 0.001), strict) == ACCEPTED
    assert verdict(make_claims(exp=NOW_SECONDS), strict) == "expired"
    assert verdict(make_claims(nbf=NOW_SECONDS + 0.001), strict) == "not_yet_valid"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"azp": "https://app.example", "aud": None}, ACCEPTED),
        ({"azp": "https://app.example", "aud": "whoever"}, ACCEPTED),
        ({"azp": "https://app.example.evil", "aud": None}, "wrong_party"),
        ({"azp": None}, "wrong_party"),
        ({"azp": ["https://app.example"]}, "wrong_party"),
        ({"azp": ""}, "wrong_party"),
    ],
)
def test_a_token_without_audience_is_judged_by_who_it_was_issued_to(
    changes: dict[str, Any], expected: str
) -> None:
    """Clerk's session tokens name no audience, and the origin of the application as the authorized party."""
    assert verdict(make_claims(**changes), CLERK) == expected


def test_a_token_that_would_outlive_every_revocation_is_refused() -> None:
    short = replace(RULES, max_lifetime_seconds=600)
    assert verdict(make_claims(exp=NOW_SECONDS + 630), short) == ACCEPTED
    assert verdict(make_claims(exp=NOW_SECONDS + 631), short) == "lifetime_too_long"


@pytest.mark.parametrize(
    ("token_type", "by_default", "access_tokens_only"),
    [
        (None, True, False),
        ("jwt", True, False),
        ("at+jwt", True, True),
        ("logout+jwt", False, False),
        ("dpop+jwt", False, False),
        ("", False, False),
    ],
)
def test_a_token_made_for_something_else_gives_no_access(
    token_type: str | None, by_default: bool, access_tokens_only: bool
) -> None:
    for rules, good in (
        (RULES, by_default),
        (replace(RULES, types=frozenset({"at+jwt"})), access_tokens_only),
    ):
        error = raised_by(Unauthenticated, check_type, token_type, rules)
        assert (error is None) is good
        assert error is None or error.reason == "wrong_type"


@pytest.mark.parametrize(
    ("claims", "claim", "expected"),
    [
        ({"scope": "chat embed"}, None, {"chat", "embed"}),
        ({"scope": "  chat  chat "}, None, {"chat"}),
        ({"scp": ["chat", "embed"]}, None, {"chat", "embed"}),
        ({"scp": "chat"}, None, {"chat"}),
        ({"scope": "chat", "scp": ["admin"]}, None, {"chat"}),
        ({"permissions": ["chat", 5, None]}, "permissions", {"chat"}),
        ({"scope": "chat"}, "permissions", set()),
        ({"scope": {"admin": True}}, None, set()),
        ({"scope": "chat\tadmin"}, None, {"chat\tadmin"}),
        ({}, None, set()),
    ],
)
def test_scopes_are_a_text_or_a_list(claims: dict[str, Any], claim: str | None, expected: set[str]) -> None:
    assert scopes(claims, claim) == expected


def test_a_name_with_half_a_character_is_malformed() -> None:
    """Written out, it would be replaced, and two tenants could become one."""
    assert text({"tenant": "東京"}, "tenant") == "東京"
    error = raised_by(Unauthenticated, text, {"tenant": "a\ud800"}, "tenant")
    assert error is not None
    assert error.reason == "malformed"


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text()
            | st.lists(st.text(), max_size=2)
            for name in ("iss", "aud", "azp", "exp", "nbf", "iat", "sub")
        },
    )
)
def test_no_claims_raise_anything_but_unauthenticated(claims: dict[str, Any]) -> None:
    assert verdict(claims) != ACCEPTED
    for rules in (RULES, CLERK):
        assert verdict(make_claims(**claims), rules) in {ACCEPTED, *Unauthenticated.MESSAGES}


@given(
    st.dictionaries(
        st.sampled_from(["scope", "scp", "x"]), st.recursive(st.none() | st.integers() | st.text(), st.lists)
    )
)
def test_no_scopes_raise_anything_and_all_are_texts(claims: dict[str, Any]) -> None:
    value = claims.get("scope", claims.get("scp"))
    found = scopes(claims, None)
    if isinstance(value, str):
        assert found == {name for name in value.split(" ") if name}
    else:
        assert found == (
            {name for name in value if isinstance(name, str)} if isinstance(value, list) else set()
        )
