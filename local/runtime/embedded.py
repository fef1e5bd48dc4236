"""The whole thing in one process: mock upstream, issuer of tokens, gateway and its server.

`async with EmbeddedRuntime() as runtime` starts them on 127.0.0.1, on ports of their own choosing unless told
otherwise; `in_thread.run_in_thread` does the same beside code that is not asynchronous.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from local.mocks.issuer import AUDIENCE, ISSUER, Issuer, SigningKey
from local.mocks.openai_upstream import Behaviour, OpenAIUpstream
from local.runtime.development import development_settings
from local.runtime.ports import LocalPorts, open_ports
from local.runtime.sealing_key import sealing_key
from local.runtime.server import GatewayApp, GatewayLike, Server, bind
from lumigate.telemetry.host import Clock, Entropy

logger = logging.getLogger(__name__)

ISSUER_KEY_NAME = "issuer.pem"
FLUSH_SECONDS = 3.0
"""How long the last flush may keep a shutdown waiting."""

type GatewayFactory = Callable[[Mapping[str, Any], Clock, Entropy], GatewayLike]


class DataError(Exception):
    """What lies in the data folder cannot be used."""


def build_gateway(environ: Mapping[str, Any], clock: Clock, entropy: Entropy) -> GatewayLike:
    """The real gateway. Raises `ConfigurationError`, one line naming the setting."""
    from lumigate.config import Settings
    from lumigate.gateway import Gateway

    return Gateway(Settings.from_environ(environ), clock=clock, entropy=entropy)


class EmbeddedRuntime:
    """Everything that runs, by name: `url`, `upstream`, `issuer`, `gateway`, `ports`, `settings`."""

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        port: int = 0,
        data: Path | None = None,
        behaviour: Behaviour | None = None,
        rate_limit: int | None = 60_000,
        address_limit: int | None = None,
        rate_limit_period_seconds: Literal[10, 60] = 60,
        cron_seconds: float = 60.0,
        country: str = "DE",
        colo: str = "FRA",
        gateway_factory: GatewayFactory = build_gateway,
    ) -> None:
        """`settings` override the development defaults; a value of None takes one away.

        `data` is where state is kept; without it everything is forgotten at the end, the issuer's key
        included. `rate_limit` and `address_limit` None are a deployment without that binding.
        """
        self._overrides = dict(settings or {})
        self._requested_port = port
        self._data = data
        self._rate_limit = rate_limit
        self._address_limit = address_limit
        self._rate_limit_period: Literal[10, 60] = rate_limit_period_seconds
        self._cron_seconds = cron_seconds
        self._country = country
        self._colo = colo
        self._gateway_factory = gateway_factory
        self._stack = contextlib.AsyncExitStack()
        self.upstream = OpenAIUpstream(behaviour)
        self.settings: dict[str, Any] = {}
        self.issuer: Issuer
        self.ports: LocalPorts
        self.gateway: GatewayLike
        self.url = ""

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            listener = stack.enter_context(bind(self._requested_port))
            data = self._data
            if data is None:
                data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumigate-")))
            await stack.enter_async_context(self.upstream)
            self.issuer = Issuer(
                _issuer_key(data / ISSUER_KEY_NAME),
                issuer=str(self._overrides.get("JWT_ISSUER") or ISSUER),
                audience=str(self._overrides.get("JWT_AUDIENCE") or AUDIENCE),
            )
            await stack.enter_async_context(self.issuer)
            self.settings = self._merged_settings(data)
            try:
                self.ports = open_ports(
                    data,
                    self.settings,
                    rate_limit=self._rate_limit,
                    address_limit=self._address_limit,
                    rate_limit_period_seconds=self._rate_limit_period,
                )
            except sqlite3.Error as error:
                raise DataError(f"the database in {data} cannot be opened: {error}") from error
            stack.push_async_callback(self.ports.close)
            self.gateway = self._gateway_factory(self.settings, self.ports.clock, self.ports.entropy)
            stack.push_async_callback(self._flush)
            app = GatewayApp(self.gateway, self.ports, country=self._country, colo=self._colo)
            server = await stack.enter_async_context(Server(app, listener))
            self.url = f"http://127.0.0.1:{server.port}"
            await stack.enter_async_context(_repeating(self._cron, self._cron_seconds))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _merged_settings(self, data: Path) -> dict[str, Any]:
        defaults = development_settings(jwks_url=self.issuer.jwks_url, openai_base_url=self.upstream.base_url)
        defaults["SEALING_KEYS"] = sealing_key(data)
        merged = {**defaults, **self._overrides}
        return {name: value for name, value in merged.items() if value is not None}

    async def _flush(self) -> None:
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self.gateway.flush(self.ports)
        except Exception:
            logger.exception("the last flush failed")

    async def _cron(self) -> None:
        await self.gateway.scheduled(self.ports)


def _issuer_key(path: Path) -> SigningKey:
    try:
        return SigningKey.load_or_generate(path)
    except ValueError as error:
        raise DataError(f"{path} cannot be read as a key: {error}") from error


@contextlib.asynccontextmanager
async def _repeating(action: Callable[[], Coroutine[Any, Any, None]], seconds: float) -> AsyncIterator[None]:
    """Run `action` every `seconds` while the context is open; its failures are logged."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await action()
            except Exception:
                logger.exception("the cron trigger failed")

    task = asyncio.get_running_loop().create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
