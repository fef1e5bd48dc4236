"""Links that many panels share: where one goes on from here."""

from __future__ import annotations

from typing import Final

from dashboards.boards import uids
from dashboards.links import Link, link

TO_EXPLORE: Final[list[Link]] = [link("Logs and traces", uids.EXPLORE, "")]
TO_POINTS: Final[list[Link]] = [link("By tenant and country", uids.ANALYTICS_ENGINE, "")]
TO_SLO: Final[list[Link]] = [link("Promises", uids.SLO)]
TO_SERVICE: Final[list[Link]] = [link("Service overview", uids.SERVICE, "")]
TO_MODELS: Final[list[Link]] = [link("Models", uids.MODELS)]
TO_CACHE: Final[list[Link]] = [link("Cache", uids.CACHE)]
TO_ACCESS: Final[list[Link]] = [link("Access and safety", uids.ACCESS)]
TO_TELEMETRY: Final[list[Link]] = [link("Telemetry health", uids.TELEMETRY)]
