"""An HTTP client that answers what it was told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from lumigate.ports import (
    FetchError,
    StreamInterrupted,
)

type Piece = bytes | Exception | asyncio.Event | Callable[[], None]
"""What comes of a body: bytes, a fault, silence until an event, or something that happens in between."""


class FakeAnswer:
    """A scripted `FetchResponse`; `cancelled` and `read_bytes` tell what was done with it."""

    def __init__(
        self, status: int = 200, headers: Mapping[str, str] | None = None, pieces: Iterable[Piece] = ()
    ) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": "application/json", **(headers or {})}
        self.cancelled = False
        self.read_bytes = 0
        self._pieces = list(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(0)
            if self.cancelled:
                raise StreamInterrupted("connection", "cancelled")
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, bytes):
                self.read_bytes += len(piece)
                yield piece
            elif isinstance(piece, asyncio.Event):
                await piece.wait()
            else:
                piece()

    async def read(self, limit_bytes: int) -> bytes | None:
        body = b""
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit_bytes:
                self.cancel()
                return None
        return body

    def cancel(self) -> None:
        self.cancelled = True


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> FakeAnswer:
    return FakeAnswer(status, headers, [json.dumps(content).encode()])


def stream_answer(*pieces: Piece) -> FakeAnswer:
    return FakeAnswer(200, {"content-type": "text/event-stream"}, pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchCall:
    """One request that was sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"null")


class FakeFetch:
    """Gives the scripted answers, in order for each URL; an unscripted URL cannot be reached."""

    def __init__(self) -> None:
        self.calls: list[FetchCall] = []
        self._script: dict[str, list[FakeAnswer | Exception]] = {}

    def script(self, url: str, *answers: FakeAnswer | Exception) -> None:
        """Answers for a URL. The last one serves for good if it is a fault, else once."""
        self._script.setdefault(url, []).extend(answers)

    async def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout_seconds: float,
        idle_timeout_seconds: float,
    ) -> FakeAnswer:
        self.calls.append(FetchCall(method=method, url=url, headers=dict(headers), body=body))
        await asyncio.sleep(0)
        script = self._script.get(url)
        if not script:
            raise FetchError("connection", "nobody answers there")
        answer = script[0] if len(script) == 1 and isinstance(script[0], Exception) else script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def chunkings(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """The ways to cut bytes into chunks, in the middle of characters and line ends too."""

    def cut(places: set[int]) -> list[bytes]:
        bounds = [0, *sorted(places), len(data)]
        return [data[start:end] for start, end in pairwise(bounds)]

    return st.sets(st.integers(0, len(data)), max_size=30).map(cut)
