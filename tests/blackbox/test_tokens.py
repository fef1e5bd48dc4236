"""Who is let in: every wrong token is a 401 with a reason, and none is a 500."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from local.mocks.issuer import Issuer
from tests.blackbox.conftest import Stage

WRONG: dict[str, tuple[Callable[[Stage], str], str]] = {
    "expired": (lambda s: issuer(s).expired(), "token_expired"),
    "not yet valid": (lambda s: issuer(s).not_yet_valid(), "token_not_yet_valid"),
    "of another issuer": (lambda s: issuer(s).foreign_issuer(), "token_wrong_issuer"),
    "for another audience": (lambda s: issuer(s).foreign_audience(), "token_wrong_audience"),
    "of an unknown key": (lambda s: issuer(s).unknown_key(), "token_unknown_key"),
    "forged": (lambda s: issuer(s).forged(), "token_bad_signature"),
    "unsigned": (lambda s: issuer(s).unsigned(), "token_unsupported_algorithm"),
    "tampered with": (lambda s: issuer(s).tampered(), "token_bad_signature"),
    "cut short": (lambda s: issuer(s).valid()[:-2], "token_bad_signature"),
    "with padding": (lambda s: issuer(s).valid() + "=", "token_malformed"),
    "two dots": (lambda _: "..", "token_malformed"),
    "huge": (lambda s: "e30." + "A" * 9000 + ".AAAA", "token_malformed"),
    "no token at all": (lambda _: "not-a-token", "invalid_api_key"),
}


def issuer(stage: Stage) -> Issuer:
    assert stage.issuer is not None
    return stage.issuer


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_token_is_refused_with_its_reason(staged: Stage, http: httpx.Client, name: str) -> None:
    make, code = WRONG[name]
    answer = http.get("/v1/models", headers={"authorization": f"Bearer {make(staged)}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    assert answer.json()["error"]["type"] == "authentication_error"
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic dXNlcjpwYXNz", "Token abc"])
def test_no_credentials_are_told_what_to_send(http: httpx.Client, header: str | None) -> None:
    answer = http.get("/v1/models", headers={} if header is None else {"authorization": header})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_good_token_is_let_in(stage: Stage, http: httpx.Client) -> None:
    assert http.get("/v1/models", headers=stage.headers()).status_code == 200


def test_the_credential_is_nowhere_in_the_answer_or_the_event(staged: Stage, http: httpx.Client) -> None:
    token = issuer(staged).expired()
    answer = http.get("/v1/models", headers={"authorization": f"Bearer {token}"})
    event = staged.event(answer.headers["x-request-id"])
    assert event["auth_reason"] == "expired"
    for part in token.split("."):
        assert part not in answer.text
        assert part not in str(event)
