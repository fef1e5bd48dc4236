from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.runtime.vectors import MemoryVectors
from lumigate.cache.policy import TAG_HEADER, TTL_HEADER, Ruling, rule
from lumigate.cache.settings import CacheRules, CacheSettings
from lumigate.errors import ConfigurationError, InvalidRequest
from lumigate.llm.chat import ChatRequest
from tests.fakes import FakeKeyValue, fake_ports, make_settings, raised_by

FUNCTION = {"type": "function", "function": {"name": "get_weather", "parameters": {}}}


def ruled(headers: dict[str, str] | None = None, rules: dict[str, Any] | None = None, **body: Any) -> Ruling:
    chat = ChatRequest.parse({"model": "fast", "messages": [{"role": "user", "content": "x"}], **body})
    return rule(CacheRules(**(rules or {})), chat, headers or {}, longest_seconds=86_400)


@pytest.mark.parametrize(
    ("control", "reads", "writes"),
    [
        ("", True, True),
        ("no-store", False, False),
        ("max-age=60, NO-STORE", False, False),
        ("no-cache", False, True),
        ("No-Cache, max-age=5", False, True),
        ("max-age=0", False, True),
        ("max-age=60", True, True),
        ("max-age=soon", True, True),
        ("private, x=y, , =", True, True),
    ],
)
def test_what_the_caller_wishes_is_done(control: str, reads: bool, writes: bool) -> None:
    ruling = ruled({"cache-control": control})
    assert (ruling.reads, ruling.writes) == (reads, writes)


@given(st.text())
def test_no_cache_control_header_is_an_error(control: str) -> None:
    ruled({"cache-control": control})


def test_an_age_bounds_what_is_accepted_and_admits_nothing_stale() -> None:
    ruling = ruled({"cache-control": 'max-age="60"'})
    assert ruling.accepts(60, is_fresh=True)
    assert not ruling.accepts(61, is_fresh=True)
    assert not ruling.accepts(1, is_fresh=False)
    assert ruled().accepts(10**6, is_fresh=False)


def test_the_caller_may_say_how_long_but_not_longer_than_the_tiers() -> None:
    assert ruled({TTL_HEADER: "5"}).ttl_seconds == 5
    assert ruled({TTL_HEADER: "1000000"}).ttl_seconds == 86_400
    assert not ruled({TTL_HEADER: "0"}).writes
    assert ruled(rules={"ttl_seconds": 10}).ttl_seconds == 10
    assert ruled().ttl_seconds == 86_400


@pytest.mark.parametrize("ttl", ["", "-1", "1.5", "soon", "٣", "1e3", "99999999999999"])
def test_a_time_that_is_none_is_refused(ttl: str) -> None:
    with pytest.raises(InvalidRequest, match=TTL_HEADER):
        ruled({TTL_HEADER: ttl})


def test_tags_are_a_few_short_names() -> None:
    assert ruled({TAG_HEADER: "b, a,b"}).tags == ("a", "b")
    for bad in ("a b", "é", "x" * 65, "-a", ",".join("abcdefghi")):
        with pytest.raises(InvalidRequest, match=TAG_HEADER):
            ruled({TAG_HEADER: bad})


@pytest.mark.parametrize(
    ("rules", "body", "reason"),
    [
        ({}, {"temperature": 1.0}, ""),
        ({}, {"temperature": 1.1}, "temperature"),
        ({"max_temperature": 0.5}, {}, "temperature"),
        ({"max_temperature": 0.5}, {"temperature": 0.2}, ""),
        ({"streams": False}, {"stream": True}, "stream"),
        ({"streams": False}, {}, ""),
        ({"enabled": False}, {}, "route"),
        ({"tools": "never"}, {"tools": [FUNCTION]}, "tools"),
        ({"tools": "never"}, {}, ""),
        ({}, {"tools": [FUNCTION]}, ""),
        ({}, {"tools": [{"type": "web_search"}]}, "tools"),
        ({}, {"tools": [{"type": 5}]}, "tools"),
        ({}, {"web_search_options": {"user_location": None}}, "tools"),
        ({}, {"web_search_options": {}}, "tools"),
        ({}, {"web_search_options": None}, ""),
        ({}, {"plugins": [{"id": "web"}]}, "tools"),
        ({}, {"plugins": []}, ""),
        ({"tools": "always"}, {"plugins": [{"id": "web"}]}, ""),
        ({"safe_tools": ["web_*"]}, {"tools": [{"type": "web_search"}]}, ""),
        ({"tools": "always"}, {"tools": [{"type": "web_search"}]}, ""),
    ],
)
def test_rules_say_what_is_not_cached(rules: dict[str, Any], body: dict[str, Any], reason: str) -> None:
    ruling = ruled(rules=rules, **body)
    assert (ruling.reads, ruling.reason) == (not reason, reason)


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ({}, False),
        ({"safe_tools": ["get_*"]}, True),
        ({"safe_tools": ["set_*"]}, False),
        ({"tools": "always"}, True),
    ],
)
def test_an_answer_that_calls_a_tool_is_kept_only_if_every_tool_is_safe(
    rules: dict[str, Any], kept: bool
) -> None:
    assert ruled(rules=rules, tools=[FUNCTION]).keeps_tool_calls is kept
    assert ruled(rules=rules).keeps_tool_calls


def test_a_route_has_its_own_rules_and_everything_else_of_all() -> None:
    settings = make_settings(
        CACHE_ROUTES='{"fast": {"shared": true, "ttl_seconds": 9}}', CACHE_MAX_TEMPERATURE="0.3"
    ).cache
    own = settings.rules_of("fast")
    assert (own.shared, own.ttl_seconds, own.max_temperature) == (True, 9, 0.3)
    assert not settings.rules_of("other").shared


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("CACHE_ROUTES", '{"nobody": {}}', "CACHE_ROUTES"),
        ("CACHE_ROUTES", '{"fast": {"ttl": 1}}', "CACHE_ROUTES.fast"),
        ("CACHE_ROUTES", '{"fast": {"l2_ttl_seconds": 5}}', "CACHE_ROUTES.fast.l2_ttl_seconds"),
        ("CACHE_ROUTES", "{", "CACHE_ROUTES"),
        ("CACHE_L3_TTL_SECONDS", "59", "CACHE_L3_TTL_SECONDS"),
        ("CACHE_TOOLS", "some", "CACHE_TOOLS"),
        ("CACHE_NEAR_THRESHOLD", "1.5", "CACHE_NEAR_THRESHOLD"),
        ("CACHE_NEAR_EMBEDDING_MODEL", "nobody", "CACHE_NEAR_EMBEDDING_MODEL"),
        ("CACHE_L2_BUDGET_MS", "0", "CACHE_L2_BUDGET_MS"),
        ("CACHE_NEAR_VECTORS", "perhaps", "CACHE_NEAR_VECTORS"),
        ("CACHE_NEAR_VECTORS", "true", "needs a model that makes them: CACHE_NEAR_EMBEDDING_MODEL"),
        ("CACHE_NEAR_VECTORS_BUDGET_MS", "0", "CACHE_NEAR_VECTORS_BUDGET_MS"),
    ],
)
def test_a_setting_that_is_wrong_is_named(name: str, value: str, named: str) -> None:
    error = raised_by(ConfigurationError, lambda: make_settings(**{name: value}))
    assert error is not None
    assert named in str(error)


NEAR = {"CACHE_NEAR_VECTORS": "true", "CACHE_NEAR_EMBEDDING_MODEL": "fast"}


def test_vectors_without_near_matches_are_a_mistake_and_one_route_is_enough() -> None:
    error = raised_by(ConfigurationError, lambda: make_settings(**NEAR))
    assert "does nothing without CACHE_NEAR_THRESHOLD" in str(error)
    assert make_settings(**NEAR, CACHE_ROUTES='{"fast": {"near_threshold": 0.8}}').cache.near_vectors


@pytest.mark.parametrize("missing", ["vectors", "key_value"])
def test_vectors_without_the_bindings_they_need_are_a_mistake_that_names_the_binding(missing: str) -> None:
    there: dict[str, Any] = {"vectors": MemoryVectors(), "key_value": FakeKeyValue()}
    settings = make_settings(**NEAR, CACHE_NEAR_THRESHOLD="0.8").cache
    settings.check_stores(fake_ports(**there))
    error = raised_by(ConfigurationError, settings.check_stores, fake_ports(**there | {missing: None}))
    assert {"vectors": "VECTORS, a Vectorize index", "key_value": "no binding CACHE"}[missing] in str(error)
    make_settings().cache.check_stores(fake_ports(vectors=None, key_value=None))


def test_the_defaults_are_those_of_the_documents() -> None:
    assert CacheSettings.from_environ({}) == CacheSettings()
    rules = CacheSettings().rules
    assert (rules.l1_ttl_seconds, rules.l2_ttl_seconds, rules.l3_ttl_seconds) == (300, 3600, 86_400)
