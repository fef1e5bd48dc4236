"""The words in which callers speak to the gateway: each a front door, whatever provider is behind it.

A dialect reads a request into canonical form, and writes canonical answers and events in its own. Where the provider
speaks the dialect itself nothing is translated, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lumigate.errors import LumigateError
from lumigate.llm.chat import ChatRequest


class Outlet(Protocol):
    """Writes one stream."""

    def pass_on(self, events: bytes) -> bytes:
        """Whole events, in the words of the dialect."""
        ...

    def error(self, error: LumigateError, trace_id: str) -> bytes:
        """The event that says that the stream has failed."""
        ...


class Writer(Protocol):
    """The way out: canonical answers in the words of a front door."""

    def write_answer(self, body: bytes, *, native: bool) -> bytes:
        """A whole answer; `native` says that the provider spoke the dialect itself. Raises `BadAnswer`."""
        ...

    def outlet(self, *, native: bool) -> Outlet: ...


class Dialect(Writer, Protocol):
    """One file each."""

    def parse(self, body: dict[str, Any], headers: Mapping[str, str]) -> ChatRequest:
        """Raises `InvalidRequest` naming the first field that is wrong."""
        ...

    def error_body(self, error: LumigateError, trace_id: str) -> dict[str, Any]: ...
