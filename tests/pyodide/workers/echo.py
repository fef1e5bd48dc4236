"""Echoes what it is asked for; the smallest Worker."""

# mypy: allow-subclassing-any
# (the SDK exists inside the runtime only, so its classes are Any)

from typing import Any

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        return Response(
            f"{request.method} {request.url}", headers={"x-seen": request.headers.get("x-ask", "")}
        )
