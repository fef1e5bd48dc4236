from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.auth.claims import ClaimRules, check_claims
from lumigate.errors import Unauthenticated
from tests.fakes import AUDIENCE, ISSUER, NOW_SECONDS, make_claims

RULES = ClaimRules(issuer=ISSUER, audience=AUDIENCE, leeway_seconds=30)
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
    strict = ClaimRules(issuer=ISSUER, audience=AUDIENCE, leeway_seconds=0)
    assert verdict(make_claims(exp=NOW_SECONDS + 0.001), strict) == ACCEPTED
    assert verdict(make_claims(exp=NOW_SECONDS), strict) == "expired"
    assert verdict(make_claims(nbf=NOW_SECONDS + 0.001), strict) == "not_yet_valid"


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
            for name in ("iss", "aud", "exp", "nbf", "iat", "sub")
        },
    )
)
def test_no_claims_raise_anything_but_unauthenticated(claims: dict[str, Any]) -> None:
    assert verdict(claims) != ACCEPTED
    assert verdict(make_claims(**claims)) in {ACCEPTED, *Unauthenticated.MESSAGES}
