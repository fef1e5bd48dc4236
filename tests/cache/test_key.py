from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lumigate.cache.key import cache_key, namespace_of, normalised, store_key, store_prefix

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
BODIES = st.dictionaries(st.text(), VALUES, max_size=4)
BODY = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}


NOT_IN_THE_KEY = {"user", "safety_identifier", "metadata", "prompt_cache_key", "prompt_cache_retention"}


def key(
    tenant: str = "acme",
    policy: str = "openai/gpt-4o-mini",
    body: dict[str, Any] | None = None,
    *,
    shared: bool = False,
    any_form: bool = False,
) -> str:
    return cache_key(
        namespace=namespace_of(tenant, shared=shared),
        policy=policy,
        body=BODY if body is None else body,
        any_form=any_form,
    )


def reordered(value: Any, order: Any) -> Any:
    """The same value with the keys of every object in another order."""
    if isinstance(value, dict):
        items = [(name, reordered(child, order)) for name, child in value.items()]
        order.shuffle(items)
        return dict(items)
    return [reordered(child, order) for child in value] if isinstance(value, list) else value


def told(body: dict[str, Any]) -> str:
    """What a body says, parameters that are null left out."""
    present = {name: value for name, value in body.items() if value is not None}
    return json.dumps(normalised(present), sort_keys=True)


@given(body=BODIES, order=st.randoms())
def test_the_order_of_keys_changes_nothing(body: dict[str, Any], order: Any) -> None:
    assert key(body=reordered(body, order)) == key(body=body)


@given(body=BODIES, name=st.text(), value=VALUES)
def test_any_other_field_makes_another_key(body: dict[str, Any], name: str, value: Any) -> None:
    changed = {**body, name: value}
    assume(name not in NOT_IN_THE_KEY and name not in ("arguments", "stream"))
    assume(told(changed) != told(body))
    assert key(body=changed) != key(body=body)


@given(one=st.tuples(st.text(), st.text()), other=st.tuples(st.text(), st.text()))
def test_tenants_and_policies_never_share_a_key(one: tuple[str, str], other: tuple[str, str]) -> None:
    assume(one != other)
    assert key(*one) != key(*other)


def test_numbers_that_are_the_same_number_make_one_key() -> None:
    assert len({key(body={"n": value}) for value in (0, 0.0, -0.0)}) == 1
    assert key(body={"n": 1}) == key(body={"n": 1.0}) == key(body={"n": 1e0})
    assert key(body={"n": [{"deep": 2.0}]}) == key(body={"n": [{"deep": 2}]})


def test_values_of_other_kinds_make_other_keys() -> None:
    values: tuple[Any, ...] = (1, True, "1", [1], 0, False, "", [], {}, 1.5, 2**53, float(2**60) + 2**8)
    assert len({key(body={"n": value}) for value in values}) == len(values)


def test_what_is_null_is_absent_and_so_is_a_stream_that_is_not_wanted() -> None:
    assert key(body={**BODY, "temperature": None}) == key()
    assert key(body={**BODY, "stream": False}) == key()
    assert key(body={**BODY, "stream": True}) != key()


def test_who_asks_for_whom_changes_nothing() -> None:
    for name in NOT_IN_THE_KEY:
        assert key(body={**BODY, name: "someone"}) == key()


def test_a_stream_and_a_whole_answer_share_a_key_where_one_can_be_told_as_the_other() -> None:
    streamed = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
    assert key(body=streamed, any_form=True) == key(any_form=True)


def test_spaces_in_the_arguments_of_a_tool_call_are_jsons_and_in_a_message_they_are_the_callers() -> None:
    def called(arguments: str) -> str:
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
        return key(body={"messages": [{"role": "assistant", "tool_calls": [call]}]})

    assert called('{"a": 1, "b": [2]}') == called('{"b":[2.0],"a":1}')
    assert called('{"a": 1}') != called('{"a": 2}')
    assert called("not json ") != called("not json")
    assert key(body={"content": "a  b"}) != key(body={"content": "a b"})
    assert key(body={"content": "a\r\n"}) != key(body={"content": "a\n"})


def test_a_shared_route_has_one_key_for_all_tenants_that_no_tenant_can_have() -> None:
    assert key("acme", shared=True) == key("umbrella", shared=True)
    assert key("shared") != key("acme", shared=True)


def test_answers_of_a_tenant_lie_together_under_a_name_that_does_not_tell_whose_they_are() -> None:
    assert store_key("t:acme", "k").startswith(store_prefix("t:acme"))
    assert store_prefix("t:acme") != store_prefix("t:acm")
    assert "acme" not in store_key("t:acme", "k")


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
    assert key() == "5f71d7c80222f36fd34033a8fc27e6ec0a82bf00b89b4bf14cdbba2a4e9f3877"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "temperature",
            "top_p",
            "top_k",
            "seed",
            "n",
            "max_tokens",
            "max_completion_tokens",
            "stop",
            "tools",
        ),
        *("tool_choice", "response_format", "logit_bias", "logprobs", "top_logprobs", "presence_penalty"),
        *("frequency_penalty", "reasoning_effort", "verbosity", "service_tier", "parallel_tool_calls"),
        *("modalities", "audio", "prediction", "thinking", "system", "output_config", "store", "dimensions"),
        *("encoding_format", "input_type", "web_search_options", "provider", "plugins", "unknown"),
    ],
)
def test_a_parameter_that_may_change_the_answer_is_in_the_key(name: str) -> None:
    values: list[Any] = [None, 1, "a", [], {"a": 1}]
    assert len({key(body={**BODY, name: value}, any_form=True) for value in values}) == len(values)


def test_a_float_that_stands_for_many_integers_is_none_of_them() -> None:
    assert key(body={"n": 2**60}) != key(body={"n": float(2**60)})
    assert key(body={"n": 2**52}) == key(body={"n": float(2**52)})
