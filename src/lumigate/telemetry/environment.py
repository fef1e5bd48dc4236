"""Typed reading of environment-like mappings. Each reader names the variable in its error and quotes no secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote, urlsplit

from lumigate.telemetry.errors import ConfigurationError


class Environment:
    """A mapping of settings. An empty value means «not set», as OpenTelemetry prescribes."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def text(self, *names: str) -> tuple[str, str] | None:
        """The first of the names that is set, and its value stripped. Values that are not text count as not set."""
        for name in names:
            value = self._values.get(name)
            if isinstance(value, str) and value.strip():
                return name, value.strip()
        return None

    def string(self, *names: str, default: str = "") -> str:
        found = self.text(*names)
        return default if found is None else found[1]

    def choice(self, *names: str, allowed: Sequence[str], default: str) -> str:
        found = self.text(*names)
        if found is None:
            return default
        name, value = found
        if value.lower() not in allowed:
            raise ConfigurationError(name, f"{value!r} is not one of {', '.join(allowed)}")
        return value.lower()

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """As OpenTelemetry: only `true`, in any case, is true. Our own default may be true, so `false` is checked."""
        value = self.choice(name, allowed=("true", "false"), default="true" if default else "false")
        return value == "true"

    def integer(self, *names: str, default: int, minimum: int = 0) -> int:
        return self._number(int, "a whole number", names, default, minimum, None)

    def number(
        self, *names: str, default: float, minimum: float = 0.0, maximum: float | None = None
    ) -> float:
        return self._number(float, "a number", names, default, minimum, maximum)

    def names(self, *names: str, allowed: Sequence[str], default: Sequence[str]) -> tuple[str, ...]:
        """A comma-separated list of known words; `none` anywhere empties it."""
        found = self.text(*names)
        if found is None:
            return tuple(default)
        name, value = found
        words = [word.strip().lower() for word in value.split(",") if word.strip()]
        if "none" in words:
            return ()
        for word in words:
            if word not in allowed:
                raise ConfigurationError(name, f"{word!r} is not one of {', '.join(allowed)}, none")
        return tuple(dict.fromkeys(words))

    def pairs(self, *names: str, secret: bool = False) -> dict[str, str]:
        """`key=value,key=value` with percent-encoding, as in OTEL_RESOURCE_ATTRIBUTES and …_HEADERS."""
        found = self.text(*names)
        if found is None:
            return {}
        name, value = found
        pairs: dict[str, str] = {}
        for part in value.split(","):
            if not part.strip():
                continue
            key, equals, text = part.partition("=")
            if not equals or not key.strip():
                shown = "an entry" if secret else repr(part.strip())
                raise ConfigurationError(name, f"{shown} is not of the form key=value")
            pairs[unquote(key.strip())] = unquote(text.strip())
        return pairs

    def url(self, *names: str) -> tuple[str, str] | None:
        """The first name that is set and its http(s) URL. The URL is not quoted in errors: it may hold a password."""
        found = self.text(*names)
        if found is None:
            return None
        name, value = found
        try:
            parts = urlsplit(value)
            valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            valid = False
        if not valid:
            raise ConfigurationError(name, "not an absolute http:// or https:// URL")
        return name, value

    def _number[N: (int, float)](
        self,
        parse: Callable[[str], N],
        what: str,
        names: tuple[str, ...],
        default: N,
        minimum: N,
        maximum: N | None,
    ) -> N:
        found = self.text(*names)
        if found is None:
            return default
        name, value = found
        try:
            number = parse(value)
        except ValueError:
            raise ConfigurationError(name, f"{value!r} is not {what}") from None
        if not minimum <= number < float("inf") or (maximum is not None and number > maximum):
            bounds = f"at least {minimum}" if maximum is None else f"between {minimum} and {maximum}"
            raise ConfigurationError(name, f"{value!r} is not {bounds}")
        return number
