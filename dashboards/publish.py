"""Publishes the generated dashboards to a Grafana by its HTTP API: the folder first, then each dashboard, in place.

https://grafana.com/docs/grafana/latest/developers/http_api/: `/api/folders` and `/api/dashboards/db`, which every
Grafana since version 9 has. The token is a service account's, from the environment; it is never printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

TOKEN: Final = "GRAFANA_TOKEN"  # noqa: S105 - the name of the variable, not what is in it
TIMEOUT_SECONDS: Final = 20.0
FOLDER_UID: Final = "lumigate"


class PublishError(Exception):
    """Grafana did not take it; the message says what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One dashboard, and where it is now."""

    title: str
    url: str


def publish(
    url: str, token: str, folder: str, dashboards: Iterable[Mapping[str, Any]], *, message: str = ""
) -> list[Published]:
    """Put the dashboards into the folder of that title, replacing what has the same uid. Raises `PublishError`."""
    with httpx.Client(
        base_url=url.rstrip("/"), timeout=TIMEOUT_SECONDS, headers={"authorization": f"Bearer {token}"}
    ) as client:
        _folder(client, folder)
        found = []
        for dashboard in dashboards:
            body = {"dashboard": dashboard, "folderUid": FOLDER_UID, "overwrite": True, "message": message}
            answer = _answer(client, "POST", "/api/dashboards/db", body)
            found.append(
                Published(title=str(dashboard["title"]), url=url.rstrip("/") + str(answer.get("url", "")))
            )
        return found


def _folder(client: httpx.Client, title: str) -> None:
    try:
        there = client.get(f"/api/folders/{FOLDER_UID}")
    except httpx.HTTPError as error:
        raise PublishError(f"{client.base_url} cannot be reached: {error}") from None
    if there.status_code == 404:
        _answer(client, "POST", "/api/folders", {"uid": FOLDER_UID, "title": title})
    elif there.status_code != 200:
        raise PublishError(_said(there))


def _answer(client: httpx.Client, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    try:
        response = client.request(method, path, json=body)
    except httpx.HTTPError as error:
        raise PublishError(f"{client.base_url} cannot be reached: {error}") from None
    if response.status_code != 200:
        raise PublishError(_said(response))
    content = response.json()
    return content if isinstance(content, dict) else {}


def _said(response: httpx.Response) -> str:
    hint = (
        f"; is {TOKEN} a service account's token with the role Editor?"
        if response.status_code in (401, 403)
        else ""
    )
    return f"{response.request.url.path} answered {response.status_code}: {response.text[:200].strip()}{hint}"
