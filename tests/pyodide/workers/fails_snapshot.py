"""A JavaScript object kept at the top level: the snapshot cannot hold it."""

from typing import Any

import js
from workers import Response, WorkerEntrypoint

ENCODER = js.TextEncoder.new()


class Default(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        return Response("ok")
