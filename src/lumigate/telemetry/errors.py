"""What the telemetry engine raises: only while it is being configured, and under `strict=True` in tests."""

from __future__ import annotations


class ConfigurationError(ValueError):
    """A setting is missing or malformed. The message is one line that names it and never quotes a secret."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable = variable
        self.problem = problem


class MisuseError(RuntimeError):
    """The application used the engine wrongly. Raised under `strict=True` only; counted otherwise."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
