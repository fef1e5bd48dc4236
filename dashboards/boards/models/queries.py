"""What the parts of the dashboard share: its queries, and what is a failure."""

from __future__ import annotations

from typing import Final

from dashboards.promql import Prom
from lumigate.catalog import ATTEMPT_RESULT, GEN_AI_MODEL, GEN_AI_PROVIDER

Q: Final = Prom({"provider": GEN_AI_PROVIDER, "model": GEN_AI_MODEL})
BY: Final = (GEN_AI_PROVIDER, GEN_AI_MODEL)
_NOT_THEIR_FAULT: Final = {"ok", "client_abort", "hedge_lost", "internal_error"}
FAILED: Final = tuple(sorted((ATTEMPT_RESULT.values or frozenset()) - _NOT_THEIR_FAULT))
"""What became of attempts that failed by the provider's fault."""
