"""One question before the model call: may this tenant, and is it reserved.

A tenant without a limit is asked nothing about, so that it pays for nothing. The ledger is asked at most twice within
one timeout; a reservation has the request's id, so asking again reserves once. A ledger that does not answer lets
everyone in or nobody, by setting; either way the request settles at its end, so that what became of the reservation,
and what was spent without one, comes right.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from lumigate.config import Settings
from lumigate.errors import CallerError, ClientGone, LimitsUnavailable
from lumigate.ledger.book import Ask, Kind
from lumigate.ledger.estimate import estimate
from lumigate.ledger.headers import limit_headers
from lumigate.ledger.limits import NANO, TenantLimits, limits_of
from lumigate.ledger.refusals import refusal
from lumigate.ledger.settlement import Reservation
from lumigate.ledger.wire import Decision, read_decision, reserve_text, usage_text
from lumigate.llm.chat import EMBEDDINGS, ChatRequest
from lumigate.llm.router import Target
from lumigate.scope import Scope, Step

_TRIES = 2
_BUDGETS = (Kind.DAY, Kind.MONTH)


class Admission:
    """Holds settings only."""

    def __init__(self, settings: Settings) -> None:
        self._table = settings.tenant_limits
        self._regions = settings.tenant_regions
        self._open_on_failure = settings.ledger_failure == "open"
        self._timeout_seconds = settings.ledger_timeout_ms / 1000
        self._lease_ms = int(settings.ledger_lease_seconds * 1000)
        self._hedges = settings.hedge_after_ms is not None

    def limits(self, scope: Scope) -> TenantLimits | None:
        """Those of the caller's tenant; None if there are none."""
        return limits_of(self._table, scope.facts.tenant, scope.facts.tenant_class) if self._table else None

    async def admit(self, scope: Scope, chat: ChatRequest, targets: Sequence[Target]) -> None:
        """Reserve for a model call. Raises what the caller is told, with nothing reserved.

        And `ClientGone`, before or after, for a request that has ended meanwhile: it would never settle.
        """
        limits = self.limits(scope)
        if limits is not None:
            _still_there(scope)
            prices = [target.prices for target in targets]
            hedged = self._hedges and len(targets) > 1
            beyond = 0
            if chat.native is None and chat.operation != EMBEDDINGS:
                beyond = max((t.provider.beyond_the_cap(t.route, chat.body) for t in targets), default=0)
            ask = estimate(chat, prices, limits, hedged=hedged, beyond_the_cap=beyond)
            await self._reserve(scope, limits, ask)
            _still_there(scope)

    async def admit_hit(self, scope: Scope) -> None:
        """Count an answer from the cache: a request like any other, which costs nothing."""
        limits = self.limits(scope)
        if limits is not None and limits.requests_per_minute is not None:
            await self._reserve(scope, limits, Ask(calls_model=False))

    async def usage(self, scope: Scope, limits: TenantLimits) -> Decision:
        """Where the tenant stands. Raises `LimitsUnavailable`."""
        decision = await self._ask(scope, usage_text(limits), method="usage")
        if decision is None:
            raise LimitsUnavailable
        return decision

    async def _reserve(self, scope: Scope, limits: TenantLimits, ask: Ask) -> None:
        identity, instruments = scope.facts.request_id, scope.instruments
        attributes = {"lumigate.ledger.tokens": ask.tokens, "lumigate.ledger.usd": ask.nano_usd / NANO}
        with scope.step("ledger.reserve", attributes=attributes) as step:
            if ask.calls_model:
                # Before it is asked: an answer that is lost may have reserved.
                tenant = scope.facts.tenant
                scope.reservation = Reservation(
                    identity=identity, tenant=tenant, jurisdiction=self._regions.get(tenant, "")
                )
            decision = await self._ask(scope, reserve_text(identity, ask, limits, self._lease_ms))
            error: CallerError | LimitsUnavailable | None = None
            if decision is None:
                result, kind = "unavailable", "none"
                error = None if self._open_on_failure else LimitsUnavailable()
            else:
                result, kind = ("allowed", "none") if decision.allowed else ("refused", str(decision.kind))
                scope.limit_headers = limit_headers(decision.quotas)
                if decision.expired:
                    instruments.ledger_expired.add(decision.expired, {})
                if not decision.allowed:
                    scope.reservation = None
                    error = refusal(decision, limits, ask)
                _record_budgets(scope, decision)
            _record(scope, step, result, kind)
            if error is not None:
                raise error

    async def _ask(self, scope: Scope, text: str, *, method: str = "reserve") -> Decision | None:
        """The ledger's answer; None if there is none within the timeout."""
        clock = scope.clock
        deadline_ns = clock.now_ns() + int(self._timeout_seconds * 1e9)
        for _ in range(_TRIES):
            seconds = (deadline_ns - clock.now_ns()) / 1e9
            tenant = scope.facts.tenant
            # Its own region, not the request's: a tenant has one budget.
            ledger = scope.ports.ledger(tenant, self._regions.get(tenant, ""))
            if ledger is None or seconds <= 0:
                break
            ask = ledger.usage if method == "usage" else ledger.reserve
            with contextlib.suppress(
                Exception
            ):  # whatever the RPC throws: an object that was moved answers again
                return read_decision(await ask(text, timeout_seconds=seconds))
        return None


def _still_there(scope: Scope) -> None:
    if scope.facts.finished:
        raise ClientGone


def _record(scope: Scope, step: Step, result: str, kind: str) -> None:
    labels = {"lumigate.ledger.result": result}
    decided = labels | {"lumigate.ledger.limit": kind}
    step.span.set_attributes(decided)
    scope.instruments.ledger_decisions.add(1, decided)
    scope.instruments.ledger_duration.record(step.seconds, labels, span=step.span)


def _record_budgets(scope: Scope, decision: Decision) -> None:
    for quota in decision.quotas:
        if quota.kind in _BUDGETS and quota.limit:
            labels = {
                "lumigate.tenant.class": scope.facts.tenant_class,
                "lumigate.budget.period": str(quota.kind),
            }
            scope.instruments.budget_spent.record(quota.used / quota.limit, labels)
