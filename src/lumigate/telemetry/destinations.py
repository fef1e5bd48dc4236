"""Where telemetry goes: each destination has its own endpoints, headers (secrets) and limits per signal.

`OTEL_EXPORTER_OTLP_*` describe the destination called `otlp`. More are named in `LUMIGATE_OTLP_DESTINATIONS`
(say `grafana,langfuse`) and described by the same suffixes under `LUMIGATE_OTLP_<NAME>_*`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from lumigate.telemetry.environment import Environment
from lumigate.telemetry.errors import ConfigurationError

type Signal = Literal["traces", "metrics", "logs"]
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics", "logs")
PROTOCOLS: Final = ("http/json", "http/protobuf")
_DEFAULT_ENDPOINT: Final = "http://localhost:4318"
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where and how one signal is sent. Headers hold secrets, so they are never shown."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    protocol: str = "http/json"
    gzip: bool = True
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A backend: a short name for metrics and logs, and an endpoint for each signal it is sent."""

    name: str
    endpoints: Mapping[Signal, Endpoint]


def destinations_from(environment: Environment) -> tuple[Destination, ...]:
    """Every destination the settings describe; none where no endpoint is set."""
    destinations = [_destination(environment, "otlp", "OTEL_EXPORTER_OTLP", SIGNALS)]
    variable = "LUMIGATE_OTLP_DESTINATIONS"
    for name in filter(None, map(str.strip, environment.string(variable).split(","))):
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
            raise ConfigurationError(variable, f"{name!r} is not a name of lower-case letters, digits and _")
        if name in {destination.name for destination in destinations}:
            raise ConfigurationError(variable, f"{name!r} is named twice")
        prefix = f"LUMIGATE_OTLP_{name.upper()}"
        wanted = environment.names(f"{prefix}_SIGNALS", allowed=SIGNALS, default=SIGNALS)
        destination = _destination(environment, name, prefix, tuple(s for s in SIGNALS if s in wanted))
        if not destination.endpoints:
            raise ConfigurationError(f"{prefix}_ENDPOINT", "missing for a destination that is listed")
        destinations.append(destination)
    return tuple(destination for destination in destinations if destination.endpoints)


def _destination(
    environment: Environment, name: str, prefix: str, signals: tuple[Signal, ...]
) -> Destination:
    endpoints: dict[Signal, Endpoint] = {}
    for signal in signals:
        chosen = environment.names(f"OTEL_{signal.upper()}_EXPORTER", allowed=("otlp",), default=("otlp",))
        endpoint = _endpoint(environment, prefix, signal) if chosen else None
        if endpoint is not None:
            endpoints[signal] = endpoint
    return Destination(name=name, endpoints=endpoints)


def _endpoint(environment: Environment, prefix: str, signal: Signal) -> Endpoint | None:
    own = f"{prefix}_{signal.upper()}"
    specific = environment.url(f"{own}_ENDPOINT")
    if specific is not None:
        url = specific[1]
    else:
        general = environment.url(f"{prefix}_ENDPOINT")
        if general is None:
            # the specification's default applies only to those who ask for the exporter by name: a Worker has no
            # localhost, and exporting nowhere must not count as a failing destination
            if prefix != "OTEL_EXPORTER_OTLP" or environment.text(f"OTEL_{signal.upper()}_EXPORTER") is None:
                return None
            general = ("", _DEFAULT_ENDPOINT)
        url = f"{general[1].rstrip('/')}/v1/{signal}"
    headers = {
        **_headers(environment, f"{prefix}_HEADERS"),
        **_headers(environment, f"{own}_HEADERS"),
    }
    protocol = environment.choice(
        f"{own}_PROTOCOL", f"{prefix}_PROTOCOL", allowed=PROTOCOLS, default="http/json"
    )
    compression = environment.choice(
        f"{own}_COMPRESSION", f"{prefix}_COMPRESSION", allowed=("gzip", "none"), default="gzip"
    )
    timeout_ms = environment.number(
        f"{own}_TIMEOUT", f"{prefix}_TIMEOUT", default=10_000, minimum=1, maximum=600_000
    )
    return Endpoint(
        url=url,
        headers=headers,
        protocol=protocol,
        gzip=compression == "gzip",
        timeout_seconds=timeout_ms / 1000,
    )


def _headers(environment: Environment, variable: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in environment.pairs(variable, secret=True).items():
        if not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError(variable, "a header name holds characters that HTTP does not allow")
        if not value.isascii() or any(ord(character) < 32 for character in value):
            raise ConfigurationError(
                variable, f"the value of {name} holds characters that HTTP does not allow"
            )
        headers[name.lower()] = value
    return headers
