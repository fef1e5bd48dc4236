"""What a request really used, told to its tenant's ledger after the answer has gone out.

Whoever ends a request hands this to the background: complete, cut, aborted or failed, it is the same. It is tried for
a few seconds under the request's id, which counts once. What cannot be handed over is counted as lost: its tokens
leave with their minute, its money is released when the lease ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lumigate.ledger.book import Settled
from lumigate.ledger.limits import nano_usd
from lumigate.ledger.wire import read_settled, settle_text

if TYPE_CHECKING:
    from lumigate.ports import Ports
    from lumigate.scope import Scope

TRIES = 4
TRY_SECONDS = 4.0
PAUSE_SECONDS = 0.5
"""Doubled each time; all of it together stays under the 30 s that work after an answer may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What a request holds, or may hold, of its tenant's ledger. Plain data: it may outlive the request."""

    identity: str
    tenant: str
    jurisdiction: str = ""


async def settle(scope: Scope, ports: Ports, reservation: Reservation) -> None:
    """Raises nothing. `ports` are those of whoever does it, who may be another request."""
    facts, instruments = scope.facts, scope.instruments
    tokens = facts.input_tokens + facts.output_tokens
    text = settle_text(reservation.identity, tokens, nano_usd(max(0.0, facts.cost_usd - facts.settled_usd)))
    result = "lost"
    for attempt in range(TRIES):
        if attempt:
            await scope.clock.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
        answer = await _hand_over(ports, reservation, text)
        if answer is not None:
            result = str(answer[0])
            if answer[1]:
                instruments.ledger_expired.add(answer[1], {})
            break
    instruments.ledger_settlements.add(1, {"lumigate.ledger.settlement": result})


async def _hand_over(ports: Ports, reservation: Reservation, text: str) -> tuple[Settled, int] | None:
    """What the ledger said: what became of it, and reservations that expired; None if it said nothing."""
    ledger = ports.ledger(reservation.tenant, reservation.jurisdiction)
    if ledger is None:
        return None
    try:
        return read_settled(await ledger.settle(text, timeout_seconds=TRY_SECONDS))
    except Exception:  # whatever the RPC throws, or nothing in time: the same again will count once
        return None
