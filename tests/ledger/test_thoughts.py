"""Thoughts that a provider counts over the caller's cap are reserved like the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes import CHAT_BODY, error_of, fake_ports, make_gateway
from tests.ledger.rigs import LedgerPort, LedgerUnderTest

OLDER = {"fast": {"provider": "anthropic", "model": "claude-sonnet-4-0", "output_usd_per_mtok": 15}}


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"usd_per_day": 0.1}, "budget_exceeded"), ({"tokens_per_minute": 1000}, "tokens_limited")],
)
async def test_they_are_reserved(limits: dict[str, Any], code: str) -> None:
    ports = fake_ports()
    ports.ledgers["acme"] = LedgerPort(LedgerUnderTest(ports.clock))
    settings = {"MODELS": json.dumps(OLDER), "TENANT_LIMITS": json.dumps({"*": limits})}
    rig = make_gateway(ports, ANTHROPIC_API_KEY="k", **settings)
    asked = {**CHAT_BODY, "max_tokens": 5, "reasoning_effort": "high"}  # 16,384 tokens for 0.25 USD
    response = await rig.send(body=asked)
    assert (response.status, error_of(response)["code"]) == (429, code)
    assert ports.fetch.calls == []
