"""Budgets and exact limits: what tenants' ledgers decide, how long that takes, what becomes of reservations."""

from __future__ import annotations

from lumigate.catalog.http import ERROR_TYPE
from lumigate.catalog.requests import TENANT_CLASS
from lumigate.catalog.scales import BUDGET_RATIO, STEP_SECONDS
from lumigate.telemetry.schema import Attribute, InstrumentKind, Metric, SpanType

LEDGER_RESULT = Attribute(
    key="lumigate.ledger.result",
    description="What the ledger said; `unavailable` passes or is refused, by setting.",
    values=frozenset({"allowed", "refused", "unavailable"}),
)
LEDGER_LIMIT = Attribute(
    key="lumigate.ledger.limit",
    description="Which limit refused; `none` where none did.",
    values=frozenset({"none", "requests", "tokens", "day", "month", "in_progress"}),
)
SETTLEMENT = Attribute(
    key="lumigate.ledger.settlement",
    description="What became of a settlement; `late`: nothing was reserved any more, `lost`: the ledger never took it.",
    values=frozenset({"settled", "late", "duplicate", "lost"}),
)
BUDGET_PERIOD = Attribute(
    key="lumigate.budget.period", description="Which budget.", values=frozenset({"day", "month"})
)
LEDGER_DECISIONS = Metric(
    name="lumigate.ledger.decisions",
    unit="{decision}",
    kind=InstrumentKind.COUNTER,
    description="Reservations asked of tenants' ledgers, by result and by the limit that refused.",
    attributes=(LEDGER_RESULT, LEDGER_LIMIT),
)
LEDGER_DURATION = Metric(
    name="lumigate.ledger.duration",
    unit="s",
    kind=InstrumentKind.HISTOGRAM,
    description="Time a tenant's ledger took to answer, before a model is called.",
    attributes=(LEDGER_RESULT,),
    buckets=STEP_SECONDS,
)
LEDGER_SETTLEMENTS = Metric(
    name="lumigate.ledger.settlements",
    unit="{settlement}",
    kind=InstrumentKind.COUNTER,
    description="Settlements of reservations by what became of them.",
    attributes=(SETTLEMENT,),
)
LEDGER_EXPIRED = Metric(
    name="lumigate.ledger.expired",
    unit="{reservation}",
    kind=InstrumentKind.COUNTER,
    description="Reservations whose money was released because nobody settled them within their lease.",
)
BUDGET_SPENT = Metric(
    name="lumigate.budget.spent",
    unit="1",
    kind=InstrumentKind.HISTOGRAM,
    description="How much of its budget a tenant had spent when a request of its asked for more.",
    attributes=(TENANT_CLASS, BUDGET_PERIOD),
    buckets=BUDGET_RATIO,
)
LEDGER_SPAN = SpanType(
    name="ledger.reserve",
    kind="internal",
    description="Asking the tenant's ledger for what a request may need.",
    attributes=(
        LEDGER_RESULT,
        LEDGER_LIMIT,
        ERROR_TYPE,
        Attribute(key="lumigate.ledger.tokens", description="Tokens to be reserved.", type=int),
        Attribute(key="lumigate.ledger.usd", description="Money to be reserved, USD.", type=float),
    ),
)
