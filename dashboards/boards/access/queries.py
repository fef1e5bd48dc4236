"""What the parts of the dashboard share."""

from __future__ import annotations

from typing import Final

from dashboards.promql import Prom
from lumigate.catalog import HTTP_ROUTE
from lumigate.errors import LumigateError

Q: Final = Prom({"route": HTTP_ROUTE})


def _statuses(error: type[LumigateError]) -> set[int]:
    return {error.status}.union(*(_statuses(derived) for derived in error.__subclasses__()))


REFUSALS: Final = tuple(str(status) for status in sorted(_statuses(LumigateError)) if 400 <= status < 500)
"""The statuses that say that it was the caller's fault, or turn."""
