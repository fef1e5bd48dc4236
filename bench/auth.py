"""What letting a caller in costs, and what turning one away does, without any network.

`measure` runs on CPython and, by `pyodide_runner.mjs`, in Pyodide with the real WebCrypto. A check is the whole of
`Authenticator.check`, its span and metrics included. "Our own" is a check whose signature costs nothing. Refusals are
told as a share of an acceptance measured in turn with them, so that what slows the machine down slows both.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Any, cast

from bench.contest import Row
from lumigate.auth.algorithms import ALGORITHMS
from lumigate.auth.api_key import checksum
from lumigate.auth.authenticator import Authenticator
from lumigate.auth.settings import AuthSettings
from lumigate.config import Settings
from lumigate.errors import Unauthenticated
from lumigate.gateway import Gateway
from lumigate.http.types import Request
from lumigate.ports import Crypto, Ports
from lumigate.scope import Scope

IN_PYODIDE = sys.platform == "emscripten"
ISSUER, AUDIENCE, JWKS_URL = "https://issuer.example", "lumigate", "https://issuer.example/keys"
OWN_BAR_MS = 1.0 if IN_PYODIDE else 0.3
WHOLE_BAR_MS = 10.0
CHECKS = 40
"""In a round."""


def _crypto() -> Crypto:
    """The adapter of this runtime."""
    if IN_PYODIDE:
        from lumigate.platform.workers.crypto import WorkersCrypto

        return WorkersCrypto()
    from local.runtime.crypto import LocalCrypto

    return LocalCrypto()


class _Clock:
    def now_ns(self) -> int:
        return time.time_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Entropy:
    """Cheap, because ids are no part of a check."""

    def __init__(self) -> None:
        self._drawn = 0

    def random_bytes(self, count: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(max(8, count), "big")[-count:]


class _Willing:
    """Takes every signature at once: what is left is our own work."""

    async def import_key(self, jwk: Mapping[str, Any], algorithm: str) -> object:
        return object()

    async def verify(self, key: object, signature: bytes, message: bytes) -> bool:
        return True


class _Store:
    """A store that is as near as can be."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        return self.values.get(key)

    async def put(self, key: str, value: bytes, *, ttl_seconds: int) -> None:
        self.values[key] = value


class _KeySetAnswer:
    status = 200

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self, limit_bytes: int) -> bytes:
        return self._body


@dataclass(slots=True)
class _Ports:
    """What a check may ask for."""

    jwks: bytes
    crypto: Any = field(default_factory=_crypto)
    clock: _Clock = field(default_factory=_Clock)
    entropy: _Entropy = field(default_factory=_Entropy)
    key_value: _Store = field(default_factory=_Store)
    timeout: Any = asyncio.timeout

    async def fetch(self, method: str, url: str, **_: Any) -> _KeySetAnswer:
        return _KeySetAnswer(self.jwks)


class _Door:
    """An authenticator and requests that come to it."""

    def __init__(self, gateway: Gateway, settings: AuthSettings, ports: _Ports) -> None:
        self._gateway = gateway
        self._settings = settings
        self.ports = ports
        self.authenticator = Authenticator(settings)

    def forget(self) -> None:
        """As a new isolate is: no keys, nothing remembered."""
        self.authenticator = Authenticator(self._settings)

    def scope(self, credential: str) -> Scope:
        request = Request(
            method="GET",
            path="/v1/models",
            headers={"authorization": f"Bearer {credential}"},
            read_body=cast("Any", None),
        )
        return self._gateway._arrivals.open(request, cast("Ports", self.ports), request.path)

    async def seconds(self, credential: str, *, cold: bool = False, checks: int = CHECKS) -> float:
        """Of one check, the mean of a round."""
        gc.collect()
        return sum([await self._one(credential, cold=cold) for _ in range(checks)]) / checks

    async def seconds_in_turn(self, one: str, other: str) -> tuple[float, float]:
        """Of a check of each, check by check in turn, so that both meet the same machine."""
        gc.collect()
        pairs = [(await self._one(one), await self._one(other)) for _ in range(CHECKS)]
        return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)

    async def _one(self, credential: str, *, cold: bool = False) -> float:
        if cold:
            self.forget()
        scope = self.scope(credential)
        begun = time.perf_counter()
        with suppress(Unauthenticated):
            await self.authenticator.check(scope)
        taken = time.perf_counter() - begun
        self._gateway._recorder._in_progress.clear()
        return taken

    async def outcome(self, credential: str) -> str:
        """Why it was let in or not, so that nothing else is measured than what a row says."""
        scope = self.scope(credential)
        with suppress(Unauthenticated):
            await self.authenticator.check(scope)
        return scope.facts.auth_reason


def material() -> dict[str, Any]:
    """What is signed beforehand, on CPython: the key set, a good token of each algorithm, and junk."""
    from local.mocks.issuer import SigningKey, sign_token

    keys = {name: SigningKey.generate(name) for name in ALGORITHMS}
    tokens = {name: sign_token(key, _claims()) for name, key in keys.items()}
    key = keys["RS256"]
    head, payload, signature = tokens["RS256"].split(".")
    junk = [
        ("no token at all", "a.b.c", "malformed"),
        ("8 KB of nothing", f"{'A' * 8000}.e30.AAAA", "malformed"),
        ("alg none", sign_token(key, _claims(), {"alg": "none"}), "unsupported_algorithm"),
        ("HMAC with the public key", sign_token(key, _claims(), {"alg": "HS256"}), "unsupported_algorithm"),
        ("brings its own key", sign_token(key, _claims(), {"jwk": key.jwk}), "malformed"),
        ("another issuer", sign_token(key, _claims(iss="https://evil.example")), "wrong_issuer"),
        ("unsigned", f"{head}.{payload}.", "bad_signature"),
        ("unknown key", sign_token(key, _claims(), {"kid": "nobody's"}), "unknown_key"),
        ("forged signature", f"{head}.{payload}.{signature[:-20]}{'A' * 20}", "bad_signature"),
    ]
    return {"jwks": {"keys": [key.jwk for key in keys.values()]}, "tokens": tokens, "junk": junk}


def measure(
    rounds: int = 21, signed: dict[str, Any] | None = None
) -> Awaitable[list[dict[str, object]]] | list[dict[str, object]]:
    """All rows, as `--json` prints them; in Pyodide, whose loop is running already, something to await.

    `signed` is what `material` made.
    """
    if IN_PYODIDE:
        assert signed is not None
        return _measure(rounds, signed)
    return asyncio.run(_measure(rounds, signed or material()))


async def _measure(rounds: int, signed: dict[str, Any]) -> list[dict[str, object]]:
    jwks = json.dumps(signed["jwks"]).encode()
    environ = {
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "JWKS_URL": JWKS_URL,
        "JWT_ALGORITHMS": ",".join(ALGORITHMS),
        "API_KEY_PEPPER": "a pepper for measuring",
        "MODELS": {"m": {"provider": "openai", "model": "m"}},
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    }
    settings = Settings.from_environ(environ)
    gateway = Gateway(settings, clock=_Clock(), entropy=_Entropy())
    real = _Door(gateway, settings.auth, _Ports(jwks))
    willing = _Door(gateway, settings.auth, _Ports(jwks, crypto=cast("Crypto", _Willing())))
    tokens: dict[str, str] = signed["tokens"]
    good = tokens["RS256"]

    rows = [await _at_most("token check, our own work", willing, good, rounds, OWN_BAR_MS)]
    for name, token in tokens.items():
        rows.append(await _at_most(f"token check, {name}, warm keys", real, token, rounds, WHOLE_BAR_MS))
    rows.append(
        await _at_most("token check, ten keys to import first", real, good, rounds, WHOLE_BAR_MS, cold=True)
    )
    scope = real.scope(good)
    store = real.authenticator.api_keys.store(scope, cast("Any", real.ports.key_value))
    now_s = time.time()
    key, _ = await store.create(
        tenant="acme", name="bench", scopes=["chat"], now_s=now_s, expires_s=now_s + 9e4
    )
    rows.append(await _at_most("API key check, warm", real, key, rounds, OWN_BAR_MS))
    typo = key[:-1] + ("0" if key[-1] != "0" else "1")
    unknown = f"lmg_{'z' * 12}_{'z' * 32}"
    junk = [
        *signed["junk"],
        ("a typing mistake in an API key", typo, "api_key_malformed"),
        ("an API key that nobody made", unknown + checksum(unknown), "unknown_api_key"),
    ]
    for what, credential, reason in junk:
        rows.append(await _against(f"refusal: {what}", real, credential, reason, good, rounds))
    return [row.as_json() for row in rows]


def _claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "user_2abcDEFghiJKLmnoPQRstu",
        "tenant": "acme",
        "azp": "https://app.example",
        "jti": "7f2c1c0b9f6b4f0e",
        "scope": "chat embed",
        "iat": now - 10,
        "nbf": now - 10,
        "exp": now + 36_000,
    } | changes


async def _at_most(
    what: str, door: _Door, credential: str, rounds: int, bar_ms: float, *, cold: bool = False
) -> Row:
    print(f"… {what}", file=sys.stderr)
    assert await door.outcome(credential) == "ok"
    checks = 5 if cold else CHECKS
    times = [await door.seconds(credential, cold=cold, checks=checks) for _ in range(rounds + 1)][1:]
    taken_us = median(times) * 1e6
    return Row(
        what=what, ours_us=taken_us, rival_us=None, ratio=taken_us / 1e3, bar=bar_ms, at_most=True, unit="ms"
    )


async def _against(what: str, door: _Door, credential: str, reason: str, good: str, rounds: int) -> Row:
    """The refusal's share of an acceptance."""
    print(f"… {what}", file=sys.stderr)
    assert (await door.outcome(credential), await door.outcome(good)) == (reason, "ok")
    pairs = [await door.seconds_in_turn(credential, good) for _ in range(rounds + 1)][1:]
    return Row(
        what=what,
        ours_us=median(refused for refused, _ in pairs) * 1e6,
        rival_us=median(accepted for _, accepted in pairs) * 1e6,
        ratio=median(refused / accepted for refused, accepted in pairs),
        bar=1.0,
        at_most=True,
    )
