"""Personal data in requests, by policy: what goes out to the provider, and what comes back to the caller."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes import (
    CHAT_BODY,
    DONE_EVENT,
    UPSTREAM_URL,
    FakeAnswer,
    GatewayUnderTest,
    chunk,
    completion,
    error_of,
    event,
    json_answer,
    make_gateway,
    stream_answer,
    whole_body,
)

MAIL = "ada@example.com"
ASKED: dict[str, Any] = {**CHAT_BODY, "messages": [{"role": "user", "content": f"Write to {MAIL} please."}]}


def gateway(policy: str, *answers: FakeAnswer) -> GatewayUnderTest:
    rig = make_gateway(PRIVACY_POLICY=policy)
    rig.ports.fetch.script(UPSTREAM_URL, *answers)
    return rig


def sent(rig: GatewayUnderTest) -> str:
    """The prompt as the provider got it."""
    body = rig.ports.fetch.calls[-1].body
    assert body is not None
    content: str = json.loads(body)["messages"][0]["content"]
    return content


async def test_off_looks_at_nothing() -> None:
    rig = gateway("off", json_answer(completion()))
    await rig.send(body=ASKED)
    assert MAIL in sent(rig)
    assert "privacy.check" not in [span.name for span in rig.observed.spans]


async def test_a_masked_prompt_goes_out_without_the_value() -> None:
    rig = gateway("mask", json_answer(completion("Done.")))
    await rig.send(body=ASKED)
    assert sent(rig) == "Write to [email] please."
    assert rig.observed.total("lumigate.privacy.findings", lumigate__privacy__kind="email") == 1
    assert rig.observed.total("lumigate.privacy.check.duration") == 1
    assert rig.observed.span("privacy.check").attributes == {
        "lumigate.privacy.policy": "mask",
        "lumigate.privacy.findings": 1,
    }


async def test_a_token_goes_out_and_the_value_comes_back() -> None:
    rig = gateway("tokens", json_answer(completion("I wrote to <EMAIL_1>.")))
    answer = json.loads(await whole_body(await rig.send(body=ASKED)))
    assert MAIL not in sent(rig)
    assert "<EMAIL_1>" in sent(rig)
    assert answer["choices"][0]["message"]["content"] == f"I wrote to {MAIL}."


async def test_the_value_comes_back_in_a_stream_that_cuts_the_token() -> None:
    pieces = [event(chunk(text)) for text in ("I wrote to <EM", "AIL", "_1", ">.")]
    rig = gateway("tokens", stream_answer(*pieces, event(chunk(finish_reason="stop")), DONE_EVENT))
    stream = (await whole_body(await rig.send(body={**ASKED, "stream": True}))).decode()
    documents = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    text = "".join(document["choices"][0]["delta"].get("content", "") for document in documents)
    assert text == f"I wrote to {MAIL}."
    assert stream.endswith("data: [DONE]\n\n")


async def test_a_blocked_request_goes_nowhere_and_names_no_value() -> None:
    rig = gateway("block")
    answer = await rig.send(body=ASKED)
    assert (answer.status, error_of(answer)["code"]) == (400, "personal_data")
    assert rig.ports.fetch.calls == []
    assert "email" in error_of(answer)["message"]
    assert MAIL not in str(error_of(answer))


async def test_a_clean_request_passes_a_block() -> None:
    rig = gateway("block", json_answer(completion()))
    assert (await rig.send()).status == 200


@pytest.mark.parametrize("policy", ["mask", "tokens", "block"])
async def test_the_value_is_nowhere_in_telemetry(policy: str) -> None:
    rig = gateway(policy, json_answer(completion("Sent to <EMAIL_1>.")))
    await rig.send(body=ASKED)
    await rig.ports.background.run()
    told = str([(span.name, dict(span.attributes or {}), span.events) for span in rig.observed.spans])
    assert MAIL not in told + str(rig.events)


async def test_an_answer_with_its_values_back_is_cached_for_its_own_question_only() -> None:
    rig = gateway(
        "tokens", json_answer(completion("To <EMAIL_1>.")), json_answer(completion("To <EMAIL_1>."))
    )
    other = {**CHAT_BODY, "messages": [{"role": "user", "content": "Write to bob@example.com please."}]}
    first = await rig.send(body=ASKED)
    again = await rig.send(body=ASKED)
    others = await rig.send(body=other)
    assert again.headers["x-lumigate-cache"] == "hit-l1"
    assert await whole_body(again) == await whole_body(first)
    assert b"bob@example.com" in await whole_body(others)
    assert MAIL.encode() not in await whole_body(others)


async def test_a_provider_that_quotes_the_prompt_puts_no_value_into_telemetry() -> None:
    refusal = {"error": {"message": f"cannot write to {MAIL}", "type": "invalid_request_error"}}
    rig = gateway("off", json_answer(refusal, 400))
    answer = await rig.send(body=ASKED)
    assert MAIL in error_of(answer)["message"], "the caller reads the provider's words"
    told = [(span.status.description, span.attributes, span.events) for span in rig.observed.spans]
    assert "cannot write to [email]" in str(told)
    assert MAIL not in str(told) + str(rig.events)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"PRIVACY_ANSWERS": "mask"}),
        ({"PRIVACY_ANSWERS": "mask"}, {}),
        ({"PRIVACY_POLICY": "mask"}, {"PRIVACY_POLICY": "tokens"}),
    ],
    ids=str,
)
async def test_what_was_kept_under_one_policy_is_not_given_out_under_another(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """The stores outlive the setting; the prompt has nothing in it, so the policy alone tells the keys apart."""
    asked = {**CHAT_BODY, "messages": [{"role": "user", "content": "Who wrote?"}]}
    first = make_gateway(**before)
    first.ports.fetch.script(UPSTREAM_URL, *(json_answer(completion(f"It was {MAIL}.")) for _ in range(2)))
    await first.send(body=asked)
    await first.ports.background.run()
    second = make_gateway(first.ports, **after)
    answer = await second.send(body=asked)
    assert answer.headers["x-lumigate-cache"] == "miss"
    again = await make_gateway(first.ports, **before).send(body=asked)
    assert again.headers["x-lumigate-cache"] == "hit-l2"
