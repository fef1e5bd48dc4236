"""Imports the packages that need the SDK's care for entropy at the top level."""

# mypy: allow-subclassing-any
# (the SDK exists inside the runtime only, so its classes are Any)

from typing import Any

from opentelemetry import baggage, context, trace
from pydantic import BaseModel
from workers import Response, WorkerEntrypoint


class Message(BaseModel):
    role: str
    content: str


class Default(WorkerEntrypoint):
    async def fetch(self, request: Any) -> Any:
        message = Message.model_validate_json(await request.text())
        held = baggage.set_baggage("k", "v", context.get_current())
        span = trace.get_current_span()
        return Response.json({"role": message.role, "baggage": len(held), "recording": span.is_recording()})
