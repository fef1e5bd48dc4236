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

from lumigate import catalog
from lumigate.telemetry import self_metrics
from lumigate.telemetry.schema import Attribute, Metric
from slo.model import CatalogEvents, Condition, Selection
from slo.windows import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Events that are bad, and all of their kind where a share of them matters; told apart by attributes, if any.

    `unsharded`: written by isolates that export by themselves, whose series begin with what they counted first.
    """

    event: str
    bad: CatalogEvents
    all: CatalogEvents | None = None
    by: tuple[Attribute, ...] = ()
    unsharded: bool = False


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


def _events(*selections: Selection) -> CatalogEvents:
    return CatalogEvents(selections=selections)


def _of(metric: Metric, *conditions: Condition) -> Selection:
    return Selection(metric=metric, where=conditions)


def _is(attribute: Attribute, *values: str) -> Condition:
    return Condition(key=attribute.key, values=values)


def _is_not(attribute: Attribute, *values: str) -> Condition:
    return Condition(key=attribute.key, values=values, negated=True)


def _attribute(metric: Metric, key: str) -> Attribute:
    return next(attribute for attribute in metric.attributes if attribute.key == key)


_KEY_SET: Final = Trouble(
    event="key-set",
    bad=_events(_of(catalog.KEY_SET_FETCHES, _is_not(catalog.KEY_SET_RESULT, "ok"))),
    all=_events(_of(catalog.KEY_SET_FETCHES)),
)
_BY_KEY: Final = _is(catalog.AUTH_METHOD, "api_key")
# A token that the deny list did not clear is counted by both metrics where settings close the door: once here.
_CREDENTIAL_STORE: Final = Trouble(
    event="credential-store",
    bad=_events(
        _of(catalog.REVOCATION_CHECKS, _is(catalog.REVOCATION_RESULT, "unavailable")),
        _of(catalog.AUTH_CHECKS, _BY_KEY, _is(catalog.AUTH_REASON, "store_unavailable")),
    ),
    all=_events(_of(catalog.REVOCATION_CHECKS), _of(catalog.AUTH_CHECKS, _BY_KEY)),
)
_LEDGER: Final = Trouble(
    event="tenant-ledger",
    bad=_events(_of(catalog.LEDGER_DECISIONS, _is(catalog.LEDGER_RESULT, "unavailable"))),
    all=_events(_of(catalog.LEDGER_DECISIONS)),
)
_SETTLEMENTS: Final = Trouble(
    event="settlements",
    bad=_events(_of(catalog.LEDGER_SETTLEMENTS, _is(catalog.SETTLEMENT, "lost"))),
    all=_events(_of(catalog.LEDGER_SETTLEMENTS)),
)
_RATE_LIMITER: Final = Trouble(
    event="rate-limiter",
    bad=_events(_of(catalog.RATE_LIMIT_DECISIONS, _is(catalog.LIMIT_RESULT, "unavailable"))),
    all=_events(_of(catalog.RATE_LIMIT_DECISIONS)),
)
_EXPORT_RESULT: Final = _attribute(self_metrics.EXPORT_REQUESTS, "result")
_EXPORTS: Final = Trouble(
    event="exports",
    bad=_events(_of(self_metrics.EXPORT_REQUESTS, _is_not(_EXPORT_RESULT, "ok", "partial"))),
    all=_events(_of(self_metrics.EXPORT_REQUESTS)),
    by=tuple(_attribute(self_metrics.EXPORT_REQUESTS, key) for key in ("destination", "signal")),
)
_UNPRICED: Final = Trouble(event="unpriced", bad=_events(_of(catalog.LLM_UNPRICED)))
_IMPORTS: Final = Trouble(event="imports", bad=_events(_of(catalog.IMPORT_FAILURES)), unsharded=True)
# A client that leaves ends its invocation as well.
_ENDED_BY_US: Final = _of(
    catalog.LOST_INVOCATIONS, _is_not(catalog.WORKER_OUTCOME, "canceled", "responseStreamDisconnected")
)
_LOST: Final = Trouble(
    event="lost-invocations",
    bad=_events(_ENDED_BY_US),
    all=_events(_ENDED_BY_US, _of(catalog.OUTCOMES)),
    unsharded=True,
)

NOTICES: Final = (
    Notice(
        trouble=_KEY_SET,
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
        trouble=_KEY_SET,
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
        trouble=_CREDENTIAL_STORE,
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
        trouble=_LEDGER,
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
        trouble=_SETTLEMENTS,
        alert="SettlementsLost",
        severity="ticket",
        window=60,
        least=10,
        lasting=3,
        recent=60,
        share=0.01,
        summary="{{ $value | humanizePercentage }} of the settlements never reached their ledger.",
        description="What these requests cost is in no budget: tenants can spend more than theirs.",
        runbook="tenant-ledger",
    ),
    Notice(
        trouble=_RATE_LIMITER,
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
        trouble=_EXPORTS,
        alert="ExportsFailing",
        severity="ticket",
        window=30,
        least=5,
        lasting=5,
        recent=15,
        share=1.0,
        summary="{{ $labels.destination }} has taken no {{ $labels.signal }} for 30 minutes.",
        description="They wait in the isolates, behind an open breaker, and are gone uncounted when an isolate goes: the "
        "promise on delivered telemetry sees only what was dropped for want of room.",
        runbook="exports-failing",
    ),
    Notice(
        trouble=_UNPRICED,
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
        trouble=_IMPORTS,
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
        trouble=_IMPORTS,
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
        trouble=_LOST,
        alert="InvocationsLost",
        severity="page",
        window=10,
        least=10,
        lasting=5,
        recent=5,
        share=0.02,
        summary="{{ $value | humanizePercentage }} of the invocations are ended by the runtime.",
        description="They exceed CPU or memory, or throw, before their request is counted: the promises do not see them.",
        runbook="lost-invocations",
    ),
    Notice(
        trouble=_LOST,
        alert="InvocationsLost",
        severity="ticket",
        window=60,
        least=10,
        lasting=5,
        recent=15,
        share=0.001,
        summary="{{ $value | humanizePercentage }} of the invocations are ended by the runtime.",
        description="They exceed CPU or memory, or throw, before their request is counted: the promises do not see them.",
        runbook="lost-invocations",
    ),
)
"""Each with its own name and severity. A page mutes the tickets of the same event."""

TROUBLES: Final = tuple({notice.trouble.event: notice.trouble for notice in NOTICES}.values())
