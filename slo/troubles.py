"""What can go wrong beside the promises, as events that the catalog counts: the bad ones, and all of their kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lumigate import catalog
from lumigate.telemetry import self_metrics
from lumigate.telemetry.schema import Attribute, Metric
from slo.model import CatalogEvents, Condition, Selection


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


KEY_SET: Final = Trouble(
    event="key-set",
    bad=_events(_of(catalog.KEY_SET_FETCHES, _is_not(catalog.KEY_SET_RESULT, "ok"))),
    all=_events(_of(catalog.KEY_SET_FETCHES)),
)
_BY_KEY: Final = _is(catalog.AUTH_METHOD, "api_key")
# A token that the deny list did not clear is counted by both metrics where settings close the door: once here.
CREDENTIAL_STORE: Final = Trouble(
    event="credential-store",
    bad=_events(
        _of(catalog.REVOCATION_CHECKS, _is(catalog.REVOCATION_RESULT, "unavailable")),
        _of(catalog.AUTH_CHECKS, _BY_KEY, _is(catalog.AUTH_REASON, "store_unavailable")),
    ),
    all=_events(_of(catalog.REVOCATION_CHECKS), _of(catalog.AUTH_CHECKS, _BY_KEY)),
)
LEDGER: Final = Trouble(
    event="tenant-ledger",
    bad=_events(_of(catalog.LEDGER_DECISIONS, _is(catalog.LEDGER_RESULT, "unavailable"))),
    all=_events(_of(catalog.LEDGER_DECISIONS)),
)
SETTLEMENTS: Final = Trouble(
    event="settlements",
    bad=_events(_of(catalog.LEDGER_SETTLEMENTS, _is(catalog.SETTLEMENT, "lost"))),
    all=_events(_of(catalog.LEDGER_SETTLEMENTS)),
)
RATE_LIMITER: Final = Trouble(
    event="rate-limiter",
    bad=_events(_of(catalog.RATE_LIMIT_DECISIONS, _is(catalog.LIMIT_RESULT, "unavailable"))),
    all=_events(_of(catalog.RATE_LIMIT_DECISIONS)),
)
_EXPORT_RESULT: Final = _attribute(self_metrics.EXPORT_REQUESTS, "result")
EXPORTS: Final = Trouble(
    event="exports",
    bad=_events(_of(self_metrics.EXPORT_REQUESTS, _is_not(_EXPORT_RESULT, "ok", "partial"))),
    all=_events(_of(self_metrics.EXPORT_REQUESTS)),
    by=tuple(_attribute(self_metrics.EXPORT_REQUESTS, key) for key in ("destination", "signal")),
)
UNPRICED: Final = Trouble(event="unpriced", bad=_events(_of(catalog.LLM_UNPRICED)))
IMPORTS: Final = Trouble(event="imports", bad=_events(_of(catalog.IMPORT_FAILURES)), unsharded=True)
# A client that leaves ends its invocation as well.
_ENDED_BY_US: Final = _of(
    catalog.LOST_INVOCATIONS, _is_not(catalog.WORKER_OUTCOME, "canceled", "responseStreamDisconnected")
)
LOST: Final = Trouble(
    event="lost-invocations",
    bad=_events(_ENDED_BY_US),
    all=_events(_ENDED_BY_US, _of(catalog.OUTCOMES)),
    unsharded=True,
)
