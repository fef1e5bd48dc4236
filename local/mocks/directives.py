"""How a caller asks a mock upstream for a fault or a pace: in the prompt, in a header or in the model's name.

- anywhere in the request body: `[[mock fault=status-429 retry-after=7]]`, `[[mock first-byte-ms=200]]`
- header `x-mock: fault=stall after=3`
- model `mock-fault-stall`

`times=2` limits a directive to the first two requests that carry the same text, so that a retry can succeed.
`hold=NAME` keeps the answer back for as long as `NAME` is in the mock's `held`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

FAULTS: Mapping[str, str] = {
    "status-NNN": "an error answer with that status in OpenAI's shape (`retry-after=S` sends the header)",
    "timeout": "never answers",
    "reset": "drops the connection (RST) before the first byte",
    "reset-mid": "drops the connection (RST) after `after` chunks",
    "garbage": "answers with bytes that are not HTTP",
    "html": "answers 200 with an HTML page (`status=502` for another)",
    "empty": "answers 200 with no body",
    "invalid-json": "answers 200 with JSON cut in the middle",
    "wrong-json": "answers 200 with valid JSON of another shape",
    "half-event": "sends `after` chunks and half an event, then closes the connection",
    "half-event-clean": "the same, but ends the body as if all were well",
    "no-done": "ends the stream without `[DONE]`",
    "error-event": "sends `after` chunks, then an error as an event",
    "stall": "sends `after` chunks, then nothing more, connection open",
    "split": "cuts the stream every `bytes` bytes, through events and UTF-8 sequences",
    "huge": "answers with `bytes` bytes of content (8 MiB)",
    "no-usage": "leaves the usage out",
}
"""Every fault there is, and what it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """How one answer is to be given. `fault` is a key of `FAULTS`, empty for a plain answer."""

    fault: str = ""
    status: int = 0
    retry_after: str = ""
    after: int = 3
    bytes: int = 0
    times: int = 0
    tokens: int = 24
    first_byte_ms: float = 0.0
    chunk_ms: float = 0.0
    hold: str = ""
    text: str = ""


class DirectiveError(ValueError):
    """The directive names a fault or a setting that does not exist."""


_IN_BODY = re.compile(rb"\[\[mock ([^\]]*)\]\]")
_IN_MODEL = re.compile(rb'"model"\s*:\s*"mock-fault-([a-z0-9-]+)"')


def find_directive(headers: Mapping[str, str], body: bytes) -> str | None:
    """The text of the directive that a request carries, if any; the header wins over the body."""
    if header := headers.get("x-mock"):
        return header
    if b"mock" not in body:
        return None
    if found := _IN_BODY.search(body):
        return found.group(1).decode("utf-8", "replace")
    if found := _IN_MODEL.search(body):
        return f"fault={found.group(1).decode('ascii')}"
    return None


def parse_directive(text: str, defaults: Directive) -> Directive:
    """`defaults` changed by `name=value` pairs. Raises `DirectiveError`."""
    changes: dict[str, str | int | float] = {"text": text}
    for pair in text.replace(",", " ").split():
        name, _, value = pair.partition("=")
        field = name.replace("-", "_")
        current = getattr(defaults, field, None)
        if current is None or field == "text":
            raise DirectiveError(f"unknown setting {name!r}")
        try:
            changes[field] = type(current)(value)
        except ValueError:
            raise DirectiveError(f"{name} cannot be {value!r}") from None
    directive = replace(defaults, **changes)  # type: ignore[arg-type]
    if directive.fault.startswith("status-"):
        status = directive.fault.removeprefix("status-")
        if not (status.isdigit() and 400 <= int(status) <= 599):
            raise DirectiveError(f"{directive.fault!r} is not an error status")
        return replace(directive, status=int(status))
    if directive.fault and directive.fault not in FAULTS:
        raise DirectiveError(f"unknown fault {directive.fault!r}; there are {', '.join(FAULTS)}")
    return directive
