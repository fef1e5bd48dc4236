from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.auth.settings import AuthSettings, TrustedIssuer
from lumigate.errors import ConfigurationError
from tests.fakes import AUDIENCE, ISSUER, JWKS_URL, raised_by

TOKENS = {"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "JWKS_URL": JWKS_URL}
OTHER = {"issuer": "https://other.example", "jwks_url": "https://other.example/keys", "audience": "us"}
DIGEST = hashlib.sha256(b"key").hexdigest()
SECRET = "a secret that must not be shown"


def read(**environ: Any) -> AuthSettings:
    return AuthSettings.from_environ(TOKENS | environ)


def test_the_simple_case_is_one_issuer_with_rs256() -> None:
    assert read().issuers == (
        TrustedIssuer(issuer=ISSUER, jwks_url=JWKS_URL, audience=(AUDIENCE,), algorithms=("RS256",)),
    )


def test_more_issuers_follow_and_take_what_they_do_not_say_from_the_settings_for_all() -> None:
    settings = read(
        JWT_ISSUERS=json.dumps([OTHER, OTHER | {"issuer": "https://third.example", "algorithms": "EdDSA"}]),
        JWT_ALGORITHMS="ES256, PS256",
        JWT_TENANT_CLAIM="org",
        JWT_TYPES="at+JWT,application/x+jwt",
        JWT_SCOPE_CLAIM="permissions",
    )
    first, second, third = settings.issuers
    assert [issuer.algorithms for issuer in (first, second, third)] == [
        ("ES256", "PS256"),
        ("ES256", "PS256"),
        ("EdDSA",),
    ]
    for issuer in settings.issuers:
        assert (issuer.tenant_claim, issuer.scope_claim) == ("org", "permissions")
        assert issuer.types == ("at+jwt", "x+jwt")
    assert second.audience == ("us",)


def test_a_table_of_wrangler_is_as_good_as_json() -> None:
    assert AuthSettings.from_environ({"JWT_ISSUERS": [OTHER]}) == AuthSettings.from_environ(
        {"JWT_ISSUERS": json.dumps([OTHER])}
    )


def test_authorized_parties_may_stand_for_an_audience() -> None:
    (issuer,) = read(JWT_AUDIENCE=None, JWT_AUTHORIZED_PARTIES="https://a.example, https://b.example").issuers
    assert issuer.audience == ()
    assert issuer.authorized_parties == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("environ", "where"),
    [
        ({"JWT_ALGORITHMS": "HS256"}, "JWT_ALGORITHMS"),
        ({"JWT_ALGORITHMS": "none"}, "JWT_ALGORITHMS"),
        ({"JWT_ALGORITHMS": "RS256,rs512"}, "JWT_ALGORITHMS"),
        ({"JWT_ALGORITHMS": ","}, "JWT_ALGORITHMS"),
        ({"JWT_AUDIENCE": None}, "JWT_AUDIENCE"),
        ({"JWT_MAX_LIFETIME_SECONDS": "10"}, "JWT_MAX_LIFETIME_SECONDS"),
        ({"JWKS_MAX_STALE_SECONDS": "nan"}, "JWKS_MAX_STALE_SECONDS"),
        ({"JWT_ISSUERS": "{"}, "JWT_ISSUERS"),
        ({"JWT_ISSUERS": "{}"}, "JWT_ISSUERS"),
        ({"JWT_ISSUERS": "[5]"}, "JWT_ISSUERS.0"),
        ({"JWT_ISSUERS": [{}]}, "JWT_ISSUERS.0.issuer"),
        ({"JWT_ISSUERS": [OTHER, OTHER]}, "JWT_ISSUERS.1.issuer"),
        ({"JWT_ISSUERS": [OTHER | {"issuer": ISSUER}]}, "JWT_ISSUERS.0.issuer"),
        ({"JWT_ISSUERS": [OTHER | {"audience": []}]}, "JWT_ISSUERS.0"),
        ({"JWT_ISSUERS": [OTHER | {"jwks_url": "file:///etc/passwd"}]}, "JWT_ISSUERS.0.jwks_url"),
        ({"JWT_ISSUERS": [OTHER | {"algorithms": ["HS256"]}]}, "JWT_ISSUERS.0.algorithms"),
        ({"JWT_ISSUERS": [OTHER | {"algorithm": "RS256"}]}, "JWT_ISSUERS.0"),
        ({"API_KEY_PEPPER": "too short"}, "API_KEY_PEPPER"),
        ({"API_KEY_PEPPER": f"{SECRET},short"}, "API_KEY_PEPPER"),
        ({"API_KEYS": f'acme:{DIGEST}:quoted"scope'}, "API_KEYS.0.scopes.0"),
        ({"REVOCATION_FAILURE": "ajar"}, "REVOCATION_FAILURE"),
        ({"REVOCATION_CACHE_SECONDS": "-1"}, "REVOCATION_CACHE_SECONDS"),
        ({"POLICY": "[]"}, "POLICY"),
        ({"POLICY": '{"routes": {"/v1/models": 5}}'}, "POLICY.routes./v1/models"),
        ({"POLICY": '{"routes": {"/v1/models": "two  blanks"}}'}, "POLICY.routes./v1/models.1"),
        ({"POLICY": '{"route": {}}'}, "POLICY"),
    ],
)
def test_what_is_wrong_stops_the_start_with_its_place(environ: dict[str, Any], where: str) -> None:
    error = raised_by(ConfigurationError, lambda: read(**environ))
    assert error is not None
    assert error.variable == where
    assert error.problem
    assert "\n" not in str(error)
    assert SECRET not in str(error)


def test_a_pepper_is_in_no_repr() -> None:
    settings = read(API_KEY_PEPPER=SECRET)
    assert SECRET not in repr(settings)
    assert settings.api_key_peppers[0].get_secret_value() == SECRET


@given(
    name=st.sampled_from(
        [
            "JWT_ISSUERS",
            "JWT_ALGORITHMS",
            "JWT_TYPES",
            "JWT_AUTHORIZED_PARTIES",
            "POLICY",
            "API_KEYS",
            "API_KEY_PEPPER",
        ]
    ),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
        max_leaves=5,
    ),
    as_text=st.booleans(),
)
def test_no_value_raises_anything_but_a_configuration_error(name: str, value: Any, as_text: bool) -> None:
    given_value = json.dumps(value) if as_text else value
    error = raised_by(ConfigurationError, lambda: read(**{name: given_value}))
    assert "\n" not in str(error)
