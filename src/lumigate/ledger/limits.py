"""What tenants may do, as `TENANT_LIMITS` says it: by tenant, by class of tenants, or for everyone.

Money is counted in whole billionths of a dollar (`nano_usd`), so that sums are exact; floats are for the edges.
"""

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from lumigate.model_table import Frozen

EVERYONE = "*"
CLASS = "class:"
"""Before the name of a class, so that no tenant can call itself like one."""
NANO = 1_000_000_000
LARGEST = 2**53 - 1
"""What a JavaScript number holds exactly, and so what may cross to a Durable Object."""

type Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
type Money = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class TenantLimits(Frozen):
    """The limits of one tenant; None is no limit. Each of two tenants under one entry has the whole of it."""

    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    usd_per_day: Money | None = None
    usd_per_month: Money | None = None

    @property
    def limit_money(self) -> bool:
        return self.usd_per_day is not None or self.usd_per_month is not None

    @property
    def limit_anything(self) -> bool:
        return self.limit_money or self.requests_per_minute is not None or self.tokens_per_minute is not None


type LimitTable = Mapping[str, TenantLimits]


def limits_of(table: LimitTable, tenant: str, tenant_class: str) -> TenantLimits | None:
    """The tenant's own entry, else its class's, else everyone's: one of them whole, never a mixture."""
    own = None if tenant.startswith(CLASS) else table.get(tenant)
    found = own or table.get(CLASS + tenant_class) or table.get(EVERYONE)
    return found if found is not None and found.limit_anything else None


def nano_usd(usd: float) -> int:
    """To the nearest billionth of a dollar."""
    return min(round(usd * NANO), LARGEST)


def nano_usd_at_most(usd: float) -> int:
    """Rounded up: for what is reserved."""
    return min(math.ceil(usd * NANO), LARGEST)
