"""GET /v1/usage: where the caller's own tenant stands with its limits and budgets."""

from __future__ import annotations

from typing import Any

from lumigate.config import Settings
from lumigate.http.types import Response, json_response
from lumigate.ledger.admission import Admission
from lumigate.ledger.book import Kind
from lumigate.ledger.limits import NANO
from lumigate.ledger.wire import Quota
from lumigate.scope import Scope

_NAMES = {
    Kind.REQUESTS: "requests_per_minute",
    Kind.TOKENS: "tokens_per_minute",
    Kind.DAY: "usd_per_day",
    Kind.MONTH: "usd_per_month",
}


class Usage:
    """The handler."""

    def __init__(self, settings: Settings) -> None:
        self._admission = Admission(settings)

    async def __call__(self, scope: Scope) -> Response:
        limits = self._admission.limits(scope)
        shown: dict[str, Any] = {}
        if limits is not None:
            decision = await self._admission.usage(scope, limits)
            shown = {_NAMES[quota.kind]: _shown(quota) for quota in decision.quotas}
        tenant = {"tenant": scope.facts.tenant, "class": scope.facts.tenant_class}
        return json_response(
            200, {"object": "usage", **tenant, "limits": shown}, {"cache-control": "no-store"}
        )


def _shown(quota: Quota) -> dict[str, int | float]:
    """Money in USD; `reserved` is what requests in progress may still cost."""
    scale = NANO if quota.kind in (Kind.DAY, Kind.MONTH) else 1
    values = {
        "limit": quota.limit,
        "used": quota.used,
        "reserved": quota.reserved,
        "remaining": quota.remaining,
    }
    shown: dict[str, int | float] = {
        name: value / scale if scale > 1 else value for name, value in values.items()
    }
    return shown | {"resets_in_seconds": -(-quota.reset_ms // 1000)}
