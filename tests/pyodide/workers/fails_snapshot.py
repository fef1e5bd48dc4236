"""A JavaScript object kept at the top level: the snapshot cannot hold it."""

# mypy: allow-subclassing-any
# (the SDK exists inside the runtime only, so its classes are Any)

from typing import Any

import js
from workers import Response, WorkerEntrypoint

ENCODER = js.TextEncoder.new()


class Default(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        return Response("ok")
