"""What a caller is told whom a limit keeps out: which one, how much it is, and when to come again."""

from __future__ import annotations

from lumigate.errors import BudgetExceeded, CallerError, RateLimited, TokensLimited
from lumigate.ledger.book import Ask, Kind
from lumigate.ledger.limits import NANO, TenantLimits
from lumigate.ledger.wire import Decision


def refusal(decision: Decision, limits: TenantLimits, ask: Ask) -> CallerError:
    """The error for a decision that does not allow."""
    wait = None if decision.wait_ms is None else max(1, -(-decision.wait_ms // 1000))
    match decision.kind:
        case Kind.TOKENS:
            return TokensLimited(ask.tokens, limits.tokens_per_minute or 0, wait)
        case Kind.DAY | Kind.MONTH:
            budget = limits.usd_per_day if decision.kind is Kind.DAY else limits.usd_per_month
            left = next((q.remaining for q in decision.quotas if q.kind is decision.kind), 0) / NANO
            return BudgetExceeded(
                period=str(decision.kind),
                budget_usd=budget or 0.0,
                left_usd=left,
                needed_usd=ask.nano_usd / NANO,
                retry_after_seconds=wait,
            )
        case Kind.IN_PROGRESS:
            return RateLimited(wait or 1, "too many are in progress")
        case _:
            return RateLimited(wait, f"the limit is {limits.requests_per_minute} a minute")
