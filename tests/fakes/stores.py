"""Stores and sinks in memory."""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from lumigate.telemetry.host import PostResult


class FakeKeyValue:
    """A dictionary; `fault`, once set, is raised by every call."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.ttl_seconds: dict[str, int] = {}
        self.fault: Exception | None = None

    async def get(self, key: str) -> bytes | None:
        self._check()
        return self.values.get(key)

    async def put(self, key: str, value: bytes, *, ttl_seconds: int) -> None:
        self._check()
        self.values[key] = value
        self.ttl_seconds[key] = ttl_seconds

    async def delete(self, key: str) -> None:
        self._check()
        self.values.pop(key, None)

    async def names(self, prefix: str, *, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
        self._check()
        names = sorted(key for key in self.values if key.startswith(prefix) and key > (cursor or ""))
        return names[:limit], names[limit - 1] if len(names) > limit else None

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault


class FakeBlobs:
    """A dictionary; `fault`, once set, is raised by every call."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.fault: Exception | None = None

    async def get(self, key: str) -> bytes | None:
        self._check()
        return self.values.get(key)

    async def put(self, key: str, value: bytes) -> None:
        self._check()
        self.values[key] = value

    async def delete(self, key: str) -> None:
        self._check()
        self.values.pop(key, None)

    async def names(self, prefix: str, *, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
        self._check()
        names = sorted(key for key in self.values if key.startswith(prefix) and key > (cursor or ""))
        return names[:limit], names[limit - 1] if len(names) > limit else None

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One data point that was written."""

    index: str
    blobs: Sequence[str]
    doubles: Sequence[float]


class FakeDataPoints:
    """Keeps the points; `fault`, once set, is raised."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.fault: Exception | None = None

    def write(self, *, index: str, blobs: Sequence[str], doubles: Sequence[float]) -> None:
        if self.fault is not None:
            raise self.fault
        self.points.append(Point(index=index, blobs=blobs, doubles=doubles))


class FakeConsole:
    """Keeps the lines; `fault`, once set, is raised."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.fault: Exception | None = None

    def __call__(self, line: str, /) -> None:
        if self.fault is not None:
            raise self.fault
        self.lines.append(line)

    def events(self, name: str = "request") -> list[dict[str, Any]]:
        """The wide events of that name."""
        parsed = [json.loads(line) for line in self.lines]
        return [event for event in parsed if event["event"] == name]


class FakeRateLimit:
    """Says `answer`, or raises it."""

    def __init__(self, answer: bool | Exception = True) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def allow(self, key: str) -> bool:
        self.asked.append(key)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class FakeBackground:
    """Keeps the coroutines it is given until `run`; what is never run is closed at the end of the test."""

    made: ClassVar[list[FakeBackground]] = []
    """Those of the test that is running. Held on to, because a collector of garbage ends coroutines in any order."""

    def __init__(self) -> None:
        self.waiting: list[Coroutine[Any, Any, Any]] = []
        self.made.append(self)

    @classmethod
    def close_all(cls) -> None:
        for background in cls.made:
            for coroutine in background.waiting:
                coroutine.close()
        cls.made.clear()

    def __call__(self, coroutine: Coroutine[Any, Any, Any], /) -> None:
        self.waiting.append(coroutine)

    async def run(self) -> None:
        """Let all of it finish, and what it starts in turn."""
        while self.waiting:
            await self.waiting.pop(0)


class FakePost:
    """A collector that takes everything, or answers `status`; `fault`, once set, is raised."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.bodies: list[bytes] = []
        self.status = 200
        self.fault: Exception | None = None

    async def __call__(
        self, url: str, *, headers: Mapping[str, str], body: bytes, timeout_seconds: float
    ) -> PostResult:
        self.urls.append(url)
        self.bodies.append(body)
        if self.fault is not None:
            raise self.fault
        return PostResult(status=self.status, headers={}, body=b"{}")
