from __future__ import annotations

import json
from typing import Any

import pytest

from lumigate.auth.caller import Caller
from lumigate.auth.policy import ModelPolicy, RoutePolicy
from lumigate.errors import ConfigurationError, MissingScope
from tests.fakes import ScopeUnderTest, make_scope, make_settings

ROUTES = frozenset({"/v1/chat/completions", "/v1/embeddings", "/admin/keys"})
MODELS = ("gpt-5", "gpt-5-mini", "claude")
DECISIONS = "lumigate.policy.decisions"


def around(*scopes: str, route: str = "/v1/chat/completions") -> ScopeUnderTest:
    rig = make_scope()
    rig.scope.facts.route = route
    rig.scope.caller = Caller(tenant="acme", subject="ann", scopes=frozenset(scopes))
    return rig


def route_policy(**rules: Any) -> RoutePolicy:
    return RoutePolicy(make_settings(POLICY=json.dumps({"routes": rules})).auth.policy, ROUTES)


def model_policy(**rules: Any) -> ModelPolicy:
    return ModelPolicy(make_settings(POLICY=json.dumps({"models": rules})).auth.policy, MODELS)


def test_nothing_is_asked_for_unless_settings_do() -> None:
    rig = around()
    route_policy().check(rig.scope)
    for model in MODELS:
        model_policy().check(rig.scope, model)
    assert rig.observed.labels(DECISIONS) == []


def test_the_admin_routes_always_ask_for_admin_and_settings_can_only_add() -> None:
    for policy in (route_policy(), route_policy(**{"/admin/keys": "ops"})):
        for scopes in ((), ("chat",), ("ops",), ("Admin",), ("admin:read",), ("administrator",)):
            with pytest.raises(MissingScope):
                policy.check(around(*scopes, route="/admin/keys").scope)
    route_policy().check(around("admin", route="/admin/keys").scope)
    with pytest.raises(MissingScope, match="ops"):
        route_policy(**{"/admin/keys": "ops"}).check(around("admin", route="/admin/keys").scope)


def test_a_route_asks_for_all_scopes_it_names_and_the_refusal_says_which_are_missing() -> None:
    policy = route_policy(**{"/v1/chat/completions": ["chat", "beta"]})
    policy.check(around("beta", "chat", "more").scope)
    rig = around("chat")
    with pytest.raises(MissingScope) as caught:
        policy.check(rig.scope)
    error = caught.value
    assert (error.status, error.code) == (403, "missing_scope")
    assert error.message == "This route asks for a scope that the credential does not carry: beta."
    assert error.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="beta"'
    assert rig.scope.facts.auth_reason == "missing_scope"


def test_every_decision_is_counted_and_an_event_of_the_request() -> None:
    policy = route_policy(**{"/v1/chat/completions": "chat"})
    for scopes, result in ((("chat",), "allowed"), ((), "missing_scope")):
        rig = around(*scopes)
        try:
            policy.check(rig.scope)
        except MissingScope:
            assert result == "missing_scope"
        labels = {"lumigate.policy.on": "route", "lumigate.policy.result": result}
        assert rig.observed.labels(DECISIONS) == [labels]
        rig.scope.span.end()
        (event,) = rig.observed.span("request").events
        assert (event.name, dict(event.attributes or {})) == ("policy.decision", labels)


@pytest.mark.parametrize(
    ("model", "asked"),
    [("gpt-5", "exact"), ("gpt-5-mini", "longer"), ("claude", None)],
)
def test_the_rule_of_the_name_goes_before_that_of_the_longest_family(model: str, asked: str | None) -> None:
    policy = model_policy(**{"gpt-*": "family", "gpt-5*": "longer", "gpt-5": "exact"})
    if asked is None:
        policy.check(around().scope, model)
        return
    policy.check(around(asked).scope, model)
    with pytest.raises(MissingScope) as caught:
        policy.check(around("family" if asked != "family" else "x").scope, model)
    assert caught.value.param == "model"
    assert asked in caught.value.message


def test_a_rule_for_every_model_and_an_exception_from_it() -> None:
    policy = model_policy(**{"*": "chat", "gpt-5-mini": []})
    policy.check(around().scope, "gpt-5-mini")
    with pytest.raises(MissingScope):
        policy.check(around().scope, "claude")


@pytest.mark.parametrize("route", ["/v1/chat", "/health", "", "*", "/v1/*", "POST /v1/embeddings"])
def test_a_rule_for_a_route_that_there_is_not_stops_the_start(route: str) -> None:
    with pytest.raises(ConfigurationError, match=r"POLICY\.routes"):
        route_policy(**{route: "chat"})


@pytest.mark.parametrize("model", ["gpt-6", "", "llama*", "*-mini"])
def test_a_rule_for_a_model_that_there_is_not_stops_the_start(model: str) -> None:
    with pytest.raises(ConfigurationError, match=r"POLICY\.models"):
        model_policy(**{model: "chat"})
