"""The admin routes of a running gateway, for commands: where it is, by what right, and what it answered."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from local.argument_types import url
from local.mocks.issuer import AUDIENCE, ISSUER, SigningKey, TokenMint
from local.runtime.embedded import ISSUER_KEY_NAME

DEFAULT_URL = "http://127.0.0.1:8787"
TIMEOUT_SECONDS = 120.0


class AdminRefused(Exception):
    """The gateway did not do what it was asked; the message says why, in one line."""


def add_gateway_arguments(parser: argparse.ArgumentParser) -> None:
    """Which gateway, and by what right."""
    parser.add_argument("--url", type=url, default=DEFAULT_URL, help="the gateway (default: %(default)s)")
    parser.add_argument(
        "--token",
        default=os.environ.get("LUMIGATE_TOKEN"),
        help="a token or key with the scope admin (default: LUMIGATE_TOKEN, or one for `lumigate dev`)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(".lumigate"),
        metavar="DIR",
        help="where `lumigate dev` keeps its key (default: %(default)s)",
    )


class AdminClient:
    """A context manager over one connection; no account of Cloudflare is needed."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        headers = {"authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=self._url, headers=headers, timeout=TIMEOUT_SECONDS)

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Self:
        """From the arguments above. Raises `AdminRefused` where there is no token."""
        return cls(arguments.url, _token(arguments))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def ask(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The answer's document. Raises `AdminRefused` for everything but a success."""
        try:
            answer = self._client.request(method, path, json=body, params=query)
            content = answer.json()
        except httpx.HTTPError as error:
            raise AdminRefused(f"{self._url} cannot be reached: {error}") from None
        except ValueError:
            raise AdminRefused(f"{self._url} is no gateway: what it answers is not JSON") from None
        if not answer.is_success or not isinstance(content, dict):
            raise AdminRefused(f"{self._url} answered {answer.status_code}: {_message(content)}")
        return content


def _message(content: Any) -> str:
    """What an error object says; whoever answered need not be a gateway."""
    error = content.get("error") if isinstance(content, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else "no reason given"


def _token(arguments: argparse.Namespace) -> str:
    if arguments.token:
        return str(arguments.token)
    try:
        key = SigningKey.load(arguments.data / ISSUER_KEY_NAME)
    except (OSError, ValueError):
        raise AdminRefused(
            f"there is no token, and no key in {arguments.data}; give --token or set LUMIGATE_TOKEN"
        ) from None
    return TokenMint(key, issuer=ISSUER, audience=AUDIENCE).valid(
        sub="operator", tenant="operators", scope="admin"
    )
