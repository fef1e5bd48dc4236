"""The root of the tree, and its largest branch: the caller's faults."""

from __future__ import annotations

from typing import Any


class LumigateError(Exception):
    """The root. `param` names the offending field, `headers` go out with the answer."""

    status: int = 500
    type: str = "server_error"
    code: str = "internal_error"
    is_told: bool = True
    """Whether telemetry may have the message; not where it may quote data that must stay in a region."""

    def __init__(
        self, message: str, *, param: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.headers = headers or {}

    def to_body(self, trace_id: str) -> dict[str, Any]:
        """OpenAI's error object, with the trace id for whoever is asked about it."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
                "trace_id": trace_id,
            }
        }


class CallerError(LumigateError):
    """The request is at fault; sending it again unchanged will fail again."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_request"
