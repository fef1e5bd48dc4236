"""A ledger that fails, is silent, or is not there."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes import completion, error_of, json_answer
from tests.ledger.limited import DECISIONS, FRESH, LIMITS, SETTLEMENTS, after, ended, limited


async def test_a_ledger_that_fails_once_is_asked_again_and_reserves_once() -> None:
    rig, port = limited(json_answer(completion()))
    port.faults, port.loses_answers = [OSError("moved")], True
    assert (await rig.send()).status == 200
    assert port.calls == ["reserve", "reserve"]
    assert port.ledger.usage(LIMITS)["requests"] == (1, 0)


async def test_a_ledger_that_fails_refuses_and_what_it_may_have_reserved_is_given_back() -> None:
    rig, port = limited(json_answer(completion()))
    port.faults, port.loses_answers = [OSError("gone"), OSError("gone")], True
    response = await rig.send()
    assert (response.status, error_of(response)["code"]) == (503, "limits_unavailable")
    assert response.headers["retry-after"] == "5"
    assert port.ledger.usage(LIMITS)["day"][1] > 0
    await after(rig)
    assert port.ledger.usage(LIMITS)["day"] == (0, 0)
    assert rig.ports.fetch.calls == []
    assert rig.observed.labels(DECISIONS) == [
        {"lumigate.ledger.result": "unavailable", "lumigate.ledger.limit": "none"}
    ]


async def test_or_lets_pass_and_charges_later_where_the_setting_says_so() -> None:
    rig, port = limited(json_answer(completion()), LEDGER_FAILURE="open")
    port.faults = [OSError("gone"), OSError("gone")]
    response = await rig.send()
    await ended(rig, response)
    assert response.status == 200
    assert port.ledger.usage(LIMITS)["day"] == (450_000, 0)
    assert rig.observed.labels(SETTLEMENTS) == [{"lumigate.ledger.settlement": "late"}]


@pytest.mark.parametrize(("setting", "status"), [("open", 200), ("closed", 503)])
async def test_a_ledger_that_says_nothing_cannot_hold_a_request_up(setting: str, status: int) -> None:
    rig, port = limited(json_answer(completion()), LEDGER_FAILURE=setting, LEDGER_TIMEOUT_MS=5)
    port.silent = True
    assert (await rig.send()).status == status
    assert port.calls == ["reserve"]


async def test_a_deployment_without_ledgers_has_limits_that_cannot_be_checked() -> None:
    rig, _ = limited(json_answer(completion()))
    rig.ports.ledgers.clear()
    assert (await rig.send()).status == 503


async def test_an_answer_that_is_none_counts_as_no_answer() -> None:
    rig, port = limited()

    async def nonsense(text: str, *, timeout_seconds: float) -> str:
        await asyncio.sleep(0)
        return "{}"

    port.reserve = nonsense  # type: ignore[method-assign]
    assert (await rig.send()).status == 503


async def test_a_settlement_is_tried_again_and_counts_once() -> None:
    rig, port = limited(json_answer(completion()))
    response = await rig.send()
    port.faults, port.loses_answers = [OSError("moved"), OSError("moved")], True
    await ended(rig, response)
    assert port.calls == ["reserve", "settle", "settle", "settle"]
    assert port.ledger.usage(LIMITS)["day"] == (450_000, 0)
    assert rig.observed.labels(SETTLEMENTS) == [{"lumigate.ledger.settlement": "duplicate"}]


async def test_a_settlement_that_nobody_takes_is_counted_as_lost_and_its_money_released_later() -> None:
    rig, port = limited(json_answer(completion()), json_answer(completion()), LEDGER_LEASE_SECONDS=30)
    response = await rig.send()
    port.faults = [OSError("gone")] * 4
    await ended(rig, response)
    assert rig.observed.labels(SETTLEMENTS) == [{"lumigate.ledger.settlement": "lost"}]
    assert port.ledger.usage(LIMITS)["day"][1] > 0
    rig.ports.clock.advance(30)
    assert port.ledger.usage(LIMITS)["day"] == (0, 0)
    await rig.send(headers=FRESH)
    assert rig.observed.total("lumigate.ledger.expired") == 1
