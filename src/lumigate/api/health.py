"""GET /health: is this isolate able to answer. No authentication, no I/O."""

from __future__ import annotations

from lumigate import __version__
from lumigate.http.types import Response, json_response
from lumigate.scope import Scope


async def health(scope: Scope) -> Response:
    return json_response(200, {"status": "ok", "version": __version__}, {"cache-control": "no-store"})
