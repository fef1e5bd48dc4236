"""A gateway whose tenant has limits, over a ledger that can fail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lumigate.http.types import Response
from lumigate.ledger import TenantLimits
from tests.fakes import (
    UPSTREAM_URL,
    WITH_KEY,
    FakeAnswer,
    GatewayUnderTest,
    fake_ports,
    make_gateway,
    whole_body,
)
from tests.ledger.rigs import LedgerPort, LedgerUnderTest

FRESH: Mapping[str, str] = {**WITH_KEY, "cache-control": "no-cache"}
EVERYTHING: Mapping[str, Any] = {
    "requests_per_minute": 100,
    "tokens_per_minute": 100_000,
    "usd_per_day": 5,
    "usd_per_month": 50,
}
LIMITS = TenantLimits(**EVERYTHING)
COST = 0.00045
"""Of `completion()`, in USD."""
DECISIONS, SETTLEMENTS = "lumigate.ledger.decisions", "lumigate.ledger.settlements"


def limited(
    *answers: FakeAnswer | Exception, limits: Mapping[str, Any] = EVERYTHING, **environ: Any
) -> tuple[GatewayUnderTest, LedgerPort]:
    """A gateway whose one tenant has limits, and that tenant's ledger."""
    ports = fake_ports()
    port = LedgerPort(LedgerUnderTest(ports.clock))
    ports.ledgers["acme"] = port
    ports.fetch.script(UPSTREAM_URL, *answers)
    rig = make_gateway(ports, TENANT_LIMITS=json.dumps({"acme": limits}), **environ)
    return rig, port


async def ended(rig: GatewayUnderTest, response: Response) -> bytes:
    """The whole answer, and everything that is done after it."""
    body = await whole_body(response)
    await after(rig)
    return body


async def after(rig: GatewayUnderTest) -> None:
    """Everything that was put off; what it records is looked at before a flush takes it away."""
    rig.observed.labels("")
    while rig.ports.background.waiting:
        await rig.ports.background.waiting.pop(0)
        rig.observed.labels("")
