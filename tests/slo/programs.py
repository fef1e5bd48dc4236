"""Programs that run beside a test, and waiting for what they do."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator

import httpx


@contextlib.contextmanager
def process(ready: str, *command: str) -> Iterator[None]:
    """A program, ended at the end; it is up when `ready` answers 200."""
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait(lambda: running.poll() is not None or _answers(ready), 60, f"{command[0]} to be ready")
        if running.poll() is not None:
            assert running.stderr is not None
            raise AssertionError(f"{command[0]} ended: {running.stderr.read()}")
        yield
    finally:
        running.terminate()
        try:
            running.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            raise


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url).status_code == 200
    return False


def wait(condition: Callable[[], object], seconds: float, what: str = "it") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.05)
