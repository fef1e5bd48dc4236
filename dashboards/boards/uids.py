"""The dashboards' uids. They are for ever; alerts link to them by `slo/settings.yaml`."""

from __future__ import annotations

from typing import Final

SERVICE: Final = "lumigate-service"
SLO: Final = "lumigate-slo"
MODELS: Final = "lumigate-models"
CACHE: Final = "lumigate-cache"
ACCESS: Final = "lumigate-access"
TELEMETRY: Final = "lumigate-telemetry"
ANALYTICS_ENGINE: Final = "lumigate-analytics-engine"
EXPLORE: Final = "lumigate-explore"
