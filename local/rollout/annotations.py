"""A mark in Grafana for each rollout: when it ran, which version, and how it ended.

https://grafana.com/docs/grafana/latest/developers/http_api/annotations/
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

import httpx

TOKEN: Final = "GRAFANA_TOKEN"  # noqa: S105 - the name of the variable, not what is in it
TIMEOUT_SECONDS: Final = 15.0


def annotate(
    grafana: str,
    *,
    begun_s: float,
    ended_s: float,
    version: str,
    outcome: str,
    environ: Mapping[str, str] = os.environ,
) -> str:
    """Write the mark; an empty text, or why there is none. A rollout never fails over it."""
    token = environ.get(TOKEN, "")
    if not token:
        return f"no annotation: {TOKEN} is not set"
    content = {
        "time": int(begun_s * 1000),
        "timeEnd": int(ended_s * 1000),
        "tags": ["deploy", "lumigate", version, outcome],
        "text": f"{version}: {outcome.replace('_', ' ')}",
    }
    try:
        response = httpx.post(
            f"{grafana.rstrip('/')}/api/annotations",
            json=content,
            headers={"authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"no annotation: Grafana cannot be reached ({type(error).__name__})"
    return "" if response.status_code == 200 else f"no annotation: Grafana answered {response.status_code}"
