from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from lumigate.cache.key import cache_key

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
BODIES = st.dictionaries(st.text(), VALUES, max_size=4)
BODY = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}


def key(tenant: str = "acme", policy: str = "openai/gpt-4o-mini", body: dict[str, Any] | None = None) -> str:
    return cache_key(tenant=tenant, policy=policy, body=BODY if body is None else body)


def reordered(value: Any, order: Any) -> Any:
    """The same value with the keys of every object in another order."""
    if isinstance(value, dict):
        items = [(name, reordered(child, order)) for name, child in value.items()]
        order.shuffle(items)
        return dict(items)
    return [reordered(child, order) for child in value] if isinstance(value, list) else value


@given(body=BODIES, order=st.randoms())
def test_the_order_of_keys_changes_nothing(body: dict[str, Any], order: Any) -> None:
    assert key(body=reordered(body, order)) == key(body=body)


@given(body=BODIES, name=st.text(), value=VALUES)
def test_any_other_field_makes_another_key(body: dict[str, Any], name: str, value: Any) -> None:
    changed = {**body, name: value}
    assume(json.dumps(changed, sort_keys=True) != json.dumps(body, sort_keys=True))
    assert key(body=changed) != key(body=body)


@given(one=st.tuples(st.text(), st.text()), other=st.tuples(st.text(), st.text()))
def test_tenants_and_policies_never_share_a_key(one: tuple[str, str], other: tuple[str, str]) -> None:
    assume(one != other)
    assert key(*one) != key(*other)


def test_values_that_python_holds_equal_but_json_does_not_make_different_keys() -> None:
    keys = {key(body={"n": value}) for value in (1, 1.0, True, "1", [1], None, 0, -0.0, 0.0, False)}
    assert len(keys) == 10


def test_the_order_of_messages_matters() -> None:
    assert key(body={"messages": [1, 2]}) != key(body={"messages": [2, 1]})


def test_a_key_fits_kv_and_tells_nothing() -> None:
    made = key(tenant="acme")
    assert len(made) == 64
    assert set(made) <= set("0123456789abcdef")


def test_text_that_utf8_cannot_carry_has_a_key_too() -> None:
    assert key(body={"content": "\ud800"}) != key(body={"content": "\ud801"})


def test_keys_do_not_change_from_one_version_to_the_next_by_accident() -> None:
    """An answer that was cached before a deployment is found after it; raise VERSION to change that."""
    assert key() == "416225c4dab007a52b13a12362f822acc6ac0295c7ff9ad87264183277c903dc"
