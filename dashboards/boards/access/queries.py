"""What the parts of the dashboard share."""

from __future__ import annotations

from typing import Final

from dashboards.promql import Prom
from lumigate.catalog import HTTP_ROUTE

Q: Final = Prom({"route": HTTP_ROUTE})
