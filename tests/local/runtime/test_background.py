from __future__ import annotations

import asyncio
import logging

import pytest

from local.runtime.background import BackgroundTasks
from local.runtime.clock import AnchoredClock
from local.runtime.console import ListeningConsole


async def test_drain_waits_for_the_work_and_for_what_it_starts() -> None:
    background = BackgroundTasks()
    done: list[str] = []

    async def second() -> None:
        await asyncio.sleep(0.02)
        done.append("second")

    async def first() -> None:
        await asyncio.sleep(0.02)
        background(second())
        done.append("first")

    background(first())
    assert background.pending == 1
    assert await background.drain(2) == 0
    assert done == ["first", "second"]


async def test_drain_cuts_off_what_takes_too_long_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    background = BackgroundTasks()
    background(asyncio.sleep(30))
    assert await background.drain(0.05) == 1
    assert "cut off" in caplog.text
    assert background.pending == 0


async def test_a_failure_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    background = BackgroundTasks()

    async def fail() -> None:
        raise RuntimeError("lost batch")

    with caplog.at_level(logging.ERROR):
        background(fail())
        await background.drain(1)
        await asyncio.sleep(0)
    assert background.failures == 1
    assert "lost batch" in caplog.text


async def test_the_clock_never_goes_back_and_is_the_wall_clock() -> None:
    import time

    clock = AnchoredClock()
    stamps = [clock.now_ns() for _ in range(1000)]
    assert stamps == sorted(stamps)
    assert abs(clock.now_ns() - time.time_ns()) < 1_000_000_000


async def test_the_clock_catches_up_after_the_machine_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    clock = AnchoredClock()
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3_600_000_000_000)
    assert clock.now_ns() > real() + 3_599_000_000_000


def test_the_console_reaches_every_listener_even_after_one_failed(caplog: pytest.LogCaptureFixture) -> None:
    console = ListeningConsole()
    heard: list[str] = []

    def broken(line: str) -> None:
        raise RuntimeError(line)

    console.listen(broken)
    console.listen(heard.append)
    console("{}")
    assert heard == ["{}"]
    assert list(console.lines) == ["{}"]
    assert "a listener of the console failed" in caplog.text
