"""A provider that quotes the key it was sent tells it to nobody: not to the caller, the cache or telemetry."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from lumigate.config import ProviderAccess
from lumigate.llm.own_secrets import masked, own_secrets
from tests.fakes import DONE_EVENT, USAGE_EVENT, chunk, completion, event, json_answer, stream_answer
from tests.fakes.gateway import CHAT_BODY, whole_body
from tests.fakes.settings import PROVIDER_KEY
from tests.gateway.rig import with_upstream

KEY = PROVIDER_KEY.encode()
QUOTED = f"I was called with {PROVIDER_KEY}."


def access(key: str, *headers: tuple[str, str]) -> ProviderAccess:
    secret_headers = tuple((name, SecretStr(value)) for name, value in headers)
    return ProviderAccess(
        name="x", base_url="https://x.example", api_key=SecretStr(key), headers=secret_headers
    )


async def test_a_whole_answer_goes_out_and_is_kept_without_the_key() -> None:
    rig = with_upstream(
        json_answer(completion(QUOTED)), OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="true"
    )
    for _ in range(2):
        body = await whole_body(await rig.send())
        assert KEY not in body
        assert json.loads(body)["choices"][0]["message"]["content"] == "I was called with [key]."
    assert rig.events[-1]["cache"] == "hit-l1"
    (span,) = (span for span in rig.observed.spans if span.name.startswith("chat "))
    assert span.attributes["lumigate.llm.secret_masked"] is True
    assert PROVIDER_KEY not in str(dict(span.attributes))


async def test_a_stream_goes_out_without_the_key_however_its_bytes_are_cut() -> None:
    said = [event(chunk("Hello. ")), event(chunk(QUOTED)), event(chunk(finish_reason="stop")), USAGE_EVENT]
    stream = b"".join(said) + DONE_EVENT
    for size in (1, 7, len(KEY), len(stream)):
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        rig = with_upstream(stream_answer(*pieces))
        body = await whole_body(await rig.send(body={**CHAT_BODY, "stream": True}))
        assert KEY not in body
        assert b"I was called with [key]." in body
        assert body.endswith(DONE_EVENT)


async def test_an_error_in_the_middle_of_a_stream_does_not_tell_it_either() -> None:
    rig = with_upstream(
        stream_answer(event(chunk("Hello.")), event({"error": {"message": QUOTED, "type": "x"}}))
    )
    body = await whole_body(await rig.send(body={**CHAT_BODY, "stream": True}))
    assert b"called with [key]" in body
    assert KEY not in body


async def test_a_call_without_a_key_in_its_answer_says_nothing_of_it() -> None:
    rig = with_upstream()
    await rig.send()
    assert all("lumigate.llm.secret_masked" not in span.attributes for span in rig.observed.spans)


@pytest.mark.parametrize("key", ["short", "sk-mock", "x" * 15])
def test_a_key_that_is_none_is_not_looked_for(key: str) -> None:
    assert own_secrets(access(key)) == ()


def test_the_gateways_token_is_looked_for_without_its_scheme() -> None:
    secrets = own_secrets(access("k" * 20, ("cf-aig-authorization", f"Bearer {'t' * 20}")))
    assert masked(b"t" * 20 + b" " + b"k" * 20, secrets) == b"[key] [key]"


KEYS = st.text(
    st.characters(codec="ascii", categories=("L", "N", "P", "S"), exclude_characters='"\\'), min_size=16
)


@given(KEYS, st.sampled_from(["", "é: ", "東京 "]), st.text())
def test_a_key_is_found_in_whatever_way_json_writes_it(key: str, before: str, after: str) -> None:
    secrets = own_secrets(access(key))
    document: dict[str, Any] = {"text": f"{before}{key}{after}"}
    for text in (json.dumps(document), json.dumps(document).replace("/", "\\/")):
        assert key not in json.loads(masked(text.encode(), secrets))["text"] or key in f"{before}[key]{after}"


@given(st.binary())
def test_other_bytes_are_the_very_same(data: bytes) -> None:
    assert masked(data, own_secrets(access("a-key-that-is-nowhere"))) is data
