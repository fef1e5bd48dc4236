"""What must be noticed beside the promises: broken dependencies, money that nobody counts, invocations that vanish.

A promise is about what callers get. These are about what stands behind it, and are told where no promise would, or only
too late: keys that are in force until their isolate goes, a wall that lets everybody pass, a death before the request
was counted. Lost telemetry is not among them, since `telemetry-delivered` promises it; a destination that takes nothing
is, because what waits in an isolate dies with it uncounted.

A notice holds when there were enough bad events to be no accident (`least`), in enough different steps to be no hiccup
(`lasting`), as a large enough share of all, over its window; and when there were some in the last few (`recent`), so
that it ends soon after the trouble has. There is no `for`: the window is the patience. Numbers of steps are minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from slo.troubles import (
    CREDENTIAL_STORE,
    EXPORTS,
    IMPORTS,
    KEY_SET,
    LEDGER,
    LOST,
    RATE_LIMITER,
    SETTLEMENTS,
    UNPRICED,
    Trouble,
)
from slo.windows import Severity

_VANISHED: Final = (
    "They exceed CPU or memory, or throw, before their request is counted: the promises do not see them."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """When a trouble is told, how loudly, and in which words. The value of the alert is the share, or the number."""

    trouble: Trouble
    alert: str
    severity: Severity
    window: int
    least: int
    lasting: int
    recent: int
    share: float = 0.0
    summary: str
    description: str
    runbook: str


NOTICES: Final = (
    Notice(
        trouble=KEY_SET,
        alert="KeySetUnavailable",
        severity="page",
        window=10,
        least=5,
        lasting=5,
        recent=5,
        share=1.0,
        summary="No key set could be fetched from an issuer for 10 minutes.",
        description="It does not answer, or what it answers is no key set. Isolates go on with the keys they have, for "
        "JWKS_MAX_STALE_SECONDS at most; new isolates have none, and refuse every token with 503.",
        runbook="key-set",
    ),
    Notice(
        trouble=KEY_SET,
        alert="KeySetFailing",
        severity="ticket",
        window=60,
        least=20,
        lasting=20,
        recent=15,
        share=0.5,
        summary="{{ $value | humanizePercentage }} of the fetches of key sets fail.",
        description="One of several issuers is broken, or one is unsteady. Its old keys stay in force, for "
        "JWKS_MAX_STALE_SECONDS at most, in the isolates that have them.",
        runbook="key-set",
    ),
    Notice(
        trouble=CREDENTIAL_STORE,
        alert="CredentialStoreUnavailable",
        severity="page",
        window=10,
        least=10,
        lasting=5,
        recent=5,
        share=0.05,
        summary="{{ $value | humanizePercentage }} of the checks cannot ask for revocations or API keys.",
        description="KV does not answer. API keys are refused with 503; tokens too, or revoked ones get in, as "
        "REVOCATION_FAILURE says.",
        runbook="credential-store",
    ),
    Notice(
        trouble=LEDGER,
        alert="TenantLedgerUnavailable",
        severity="page",
        window=10,
        least=10,
        lasting=5,
        recent=5,
        share=0.05,
        summary="{{ $value | humanizePercentage }} of the questions to tenants' ledgers get no answer.",
        description="Tenants with limits are refused with 503, or spend without a budget, as LEDGER_FAILURE says.",
        runbook="tenant-ledger",
    ),
    Notice(
        trouble=SETTLEMENTS,
        alert="SettlementsLost",
        severity="ticket",
        window=60,
        least=10,
        lasting=1,
        recent=60,
        share=0.01,
        summary="{{ $value | humanizePercentage }} of the settlements never reached their ledger.",
        description="What these requests cost is in no budget: tenants can spend more than theirs.",
        runbook="tenant-ledger",
    ),
    Notice(
        trouble=RATE_LIMITER,
        alert="RateLimiterUnavailable",
        severity="ticket",
        window=15,
        least=20,
        lasting=8,
        recent=5,
        share=0.1,
        summary="{{ $value | humanizePercentage }} of the questions to the rate limiters get no answer.",
        description="The first walls are open, or refuse with 503, as RATE_LIMIT_FAILURE says. Exact limits of tenants "
        "hold all the same.",
        runbook="rate-limiter",
    ),
    Notice(
        trouble=EXPORTS,
        alert="ExportsFailing",
        severity="ticket",
        window=30,
        least=5,
        lasting=5,
        recent=15,
        share=1.0,
        summary="{{ $labels.destination }} has taken no {{ $labels.signal }} for 30 minutes.",
        description="They wait in the isolates, behind an open breaker, and are gone uncounted when an isolate goes: "
        "the promise on delivered telemetry sees only what was dropped for want of room.",
        runbook="exports-failing",
    ),
    Notice(
        trouble=UNPRICED,
        alert="ModelsUnpriced",
        severity="ticket",
        window=360,
        least=10,
        lasting=1,
        recent=360,
        summary='{{ $value | printf "%.0f" }} model calls in 6 hours have no price.',
        description="Budgets and cost count them as free, whatever the provider bills.",
        runbook="unpriced-models",
    ),
    Notice(
        trouble=IMPORTS,
        alert="ImportsFail",
        severity="page",
        window=10,
        least=5,
        lasting=2,
        recent=5,
        summary='{{ $value | printf "%.0f" }} imports failed in 10 minutes: the bundle lacks a module.',
        description="If the application cannot be imported, its isolates answer 500 to everything, and no request is "
        "counted, so that the promises see nothing of it.",
        runbook="import-failures",
    ),
    Notice(
        trouble=IMPORTS,
        alert="ImportsFail",
        severity="ticket",
        window=60,
        least=2,
        lasting=1,
        recent=60,
        summary='{{ $value | printf "%.0f" }} imports failed in an hour: the bundle lacks a module.',
        description="A path that is seldom taken needs a module that was not deployed; it fails every time.",
        runbook="import-failures",
    ),
    Notice(
        trouble=LOST,
        alert="InvocationsLost",
        severity="page",
        window=10,
        least=10,
        lasting=5,
        recent=5,
        share=0.02,
        summary="{{ $value | humanizePercentage }} of the invocations are ended by the runtime.",
        description=_VANISHED,
        runbook="lost-invocations",
    ),
    Notice(
        trouble=LOST,
        alert="InvocationsLost",
        severity="ticket",
        window=60,
        least=10,
        lasting=5,
        recent=15,
        share=0.001,
        summary="{{ $value | humanizePercentage }} of the invocations are ended by the runtime.",
        description=_VANISHED,
        runbook="lost-invocations",
    ),
)
"""Each with its own name and severity. A page mutes the tickets of the same event."""

TROUBLES: Final = tuple({notice.trouble.event: notice.trouble for notice in NOTICES}.values())
