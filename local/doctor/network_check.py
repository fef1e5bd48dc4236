"""Asks what stands around a deployment: collectors with an empty export, the issuer for its keys, both for the time.

An empty export is a whole OTLP request without a record in it: a collector answers as it would to a full one, and
stores nothing. Headers are sent as they are set, and shown nowhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from local.doctor.environments import Environment
from local.doctor.finding import Finding, Part
from local.doctor.settings_check import is_gateway, is_placeholder
from local.runtime.crypto import LocalCrypto
from lumigate.auth.key_document import MAX_BYTES, KeySetError, read_key_set
from lumigate.auth.settings import AuthSettings, TrustedIssuer
from lumigate.errors import ConfigurationError as SettingsError
from lumigate.telemetry import TelemetryConfig
from lumigate.telemetry.destinations import Endpoint
from lumigate.telemetry.errors import ConfigurationError

TIMEOUT_SECONDS: Final = 5.0
NOTICEABLE_SECONDS: Final = 5.0
_EMPTY: Final[Mapping[str, bytes]] = {
    "traces": b'{"resourceSpans":[]}',
    "metrics": b'{"resourceMetrics":[]}',
    "logs": b'{"resourceLogs":[]}',
}
_TYPES: Final = {"http/json": "application/json", "http/protobuf": "application/x-protobuf"}


@dataclass(slots=True, kw_only=True)
class Clocks:
    """How far each host's clock is from ours, in seconds, as its answers told."""

    skews: dict[str, float] = field(default_factory=dict)

    def note(self, response: httpx.Response, sent: float, received: float) -> None:
        """`Date` is in whole seconds, `Age` says how long a cache had it; ours is the middle of the wait."""
        try:
            said = parsedate_to_datetime(response.headers["date"]).timestamp()
            age = float(response.headers.get("age", 0))
        except (KeyError, ValueError, TypeError):
            return
        self.skews[str(response.request.url.host)] = said + age + 0.5 - (sent + received) / 2


def check_network(environment: Environment, values: Mapping[str, Any]) -> Iterator[Finding]:
    """`values` are the settings as far as they are known here, None for a secret of which there is but the name."""
    clocks = Clocks()
    with httpx.Client(timeout=TIMEOUT_SECONDS) as client:
        yield from _collectors(
            Part(check="otlp", where=environment.name), environment, values, client, clocks
        )
        if is_gateway(environment):
            yield from _issuers(
                Part(check="keys", where=environment.name), environment, values, client, clocks
            )
    yield from _clock(Part(check="clock", where=environment.name), values, clocks)


def _collectors(
    part: Part, environment: Environment, values: Mapping[str, Any], client: httpx.Client, clocks: Clocks
) -> Iterator[Finding]:
    texts = {name: str(value) for name, value in values.items() if isinstance(value, str | int | float)}
    secret_endpoint = any(name.endswith("_ENDPOINT") and value is None for name, value in values.items())
    try:
        config = TelemetryConfig.from_environ(texts)
    except ConfigurationError:
        return  # told by the check of the settings
    if not config.destinations and not environment.is_development and not secret_endpoint:
        yield part.warning(
            "no OTLP endpoint is set: telemetry stays in the console and in Analytics Engine",
            f"Set OTEL_EXPORTER_OTLP_ENDPOINT in [env.{environment.name}.vars].",
        )
    for destination in config.destinations:
        for signal, endpoint in destination.endpoints.items():
            yield _export(part, environment, f"{destination.name} {signal}", signal, endpoint, client, clocks)


def _export(
    part: Part,
    environment: Environment,
    name: str,
    signal: str,
    endpoint: Endpoint,
    client: httpx.Client,
    clocks: Clocks,
) -> Finding:
    host = urlsplit(endpoint.url).netloc.rpartition("@")[2]
    if is_placeholder(endpoint.url):
        return part.skipped(f"{name}: {host} is a placeholder", "Name your collector.")
    other = next(protocol for protocol in _TYPES if protocol != endpoint.protocol)
    answers: dict[str, int] = {}
    for protocol in (endpoint.protocol, other):
        try:
            answers[protocol] = _post(client, endpoint, signal, protocol, clocks)
        except httpx.HTTPError as error:
            return _unreachable(part, environment, f"{name}: {host}", endpoint.url, error)
    status = answers[endpoint.protocol]
    if 200 <= status < 300:
        also = "" if 200 <= answers[other] < 300 else f"; it refuses {other} ({answers[other]})"
        return part.ok(f"{name}: {host} takes an empty export as {endpoint.protocol}{also}")
    if status in (401, 403):
        if endpoint.headers:
            return part.error(
                f"{name}: {host} refuses the headers ({status})",
                f"npx wrangler secret put OTEL_EXPORTER_OTLP_HEADERS{environment.flag}",
            )
        return part.warning(
            f"{name}: {host} wants headers ({status}), and none are known here",
            "Give them as OTEL_EXPORTER_OTLP_HEADERS in the environment, and look again.",
        )
    if 200 <= answers[other] < 300:
        return part.error(
            f"{name}: {host} refuses {endpoint.protocol} ({status}) and takes {other}",
            f"Set OTEL_EXPORTER_OTLP_PROTOCOL = {other!r}.",
        )
    step = (
        "Is the path right? Ours ends in /v1/" + signal + "."
        if status == 404
        else "Look at the collector's log."
    )
    return part.error(f"{name}: {host} answers {status} to an empty export", step)


def _post(client: httpx.Client, endpoint: Endpoint, signal: str, protocol: str, clocks: Clocks) -> int:
    body = _EMPTY[signal] if protocol == "http/json" else b""
    headers = {**endpoint.headers, "content-type": _TYPES[protocol]}
    if endpoint.gzip:
        body, headers = gzip.compress(body), {**headers, "content-encoding": "gzip"}
    sent = time.time()
    response = client.post(endpoint.url, content=body, headers=headers)
    clocks.note(response, sent, time.time())
    return response.status_code


def _issuers(
    part: Part, environment: Environment, values: Mapping[str, Any], client: httpx.Client, clocks: Clocks
) -> Iterator[Finding]:
    known = {name: value for name, value in values.items() if value is not None}
    try:
        issuers = AuthSettings.from_environ({"API_KEYS": f"nobody:{'0' * 64}", **known}).issuers
    except SettingsError:
        return  # told by the check of the settings
    for issuer in issuers:
        yield _key_set(part, environment, issuer, client, clocks)


def _key_set(
    part: Part, environment: Environment, issuer: TrustedIssuer, client: httpx.Client, clocks: Clocks
) -> Finding:
    url = issuer.jwks_url
    if is_placeholder(url):
        return part.skipped(
            f"{urlsplit(url).hostname} is a placeholder", "Name your issuer's key set in JWKS_URL."
        )
    try:
        sent = time.time()
        response = client.get(url, headers={"accept": "application/json"})
        clocks.note(response, sent, time.time())
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return _unreachable(part, environment, url, url, error)
    if response.status_code != 200:
        return part.error(
            f"{url} answers {response.status_code}", "Correct JWKS_URL; it must answer 200 without a login."
        )
    usable, reason = asyncio.run(_usable(response.content, issuer.algorithms))
    if not usable:
        return part.error(
            f"{url} holds no usable key ({reason})",
            f"It must publish a key with a kid for signatures by {' or '.join(issuer.algorithms)} (JWT_ALGORITHMS).",
        )
    return part.ok(f"{url} holds {usable} usable {'key' if usable == 1 else 'keys'}")


async def _usable(body: bytes, algorithms: Collection[str]) -> tuple[int, str]:
    """How many keys the gateway can use, by its own reading; with none, its word for why."""
    if len(body) > MAX_BYTES:
        return 0, "too_large"
    try:
        published = read_key_set(body, algorithms)
    except KeySetError as error:
        return 0, error.result
    good = 0
    for key in published:
        with contextlib.suppress(ValueError):
            await LocalCrypto().import_key(key.jwk, key.algorithm)
            good += 1
    return good, "no_usable_key"


def _clock(part: Part, values: Mapping[str, Any], clocks: Clocks) -> Iterator[Finding]:
    try:
        leeway = float(values.get("JWT_LEEWAY_SECONDS") or 30)
    except (TypeError, ValueError):
        leeway = 30.0
    for host, skew in clocks.skews.items():
        ahead = f"{abs(skew):,.0f} s {'behind' if skew > 0 else 'ahead of'} {host}"
        if abs(skew) > leeway:
            yield part.error(
                f"this machine's clock is {ahead}, more than the leeway of {leeway:,.0f} s",
                "Set the clock (timedatectl set-ntp true): tokens made or checked here are judged wrongly.",
            )
        elif abs(skew) > NOTICEABLE_SECONDS:
            yield part.warning(f"this machine's clock is {ahead}", "Set the clock: timedatectl set-ntp true.")
        else:
            yield part.ok(f"this machine's clock agrees with {host}")


def _unreachable(
    part: Part, environment: Environment, what: str, url: str, error: httpx.HTTPError | httpx.InvalidURL
) -> Finding:
    reason = type(error).__name__ if not str(error) else str(error)[:120]
    host = urlsplit(url).hostname or ""
    if environment.is_development and host in ("127.0.0.1", "localhost", "::1"):
        return part.skipped(
            f"{what}: nobody listens there now",
            "`lumigate dev` starts its own; start yours to have it looked at.",
        )
    return part.error(
        f"{what} cannot be reached: {reason}", "Is the address right, and is it open to this machine?"
    )
