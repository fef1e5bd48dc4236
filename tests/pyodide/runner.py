"""Starts the Pyodide host for a test or a benchmark, and stops it.

The host is `host.mjs` in this folder; all paths are given, nothing is guessed. Every line the host prints is kept:
`logs()` returns the Worker's own lines, `tail()` everything, for the message of a failing test.
"""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

HOST = Path(__file__).resolve().parent / "host.mjs"
PATIENCE_S = 60.0
"""After so long something is taken not to happen, however busy the machine is."""


class HostFailed(Exception):
    """The host did not become ready; `rule` names the rule the Worker broke, if it was one."""

    def __init__(self, error: str, rule: str | None) -> None:
        super().__init__(f"{error} (rule: {rule})" if rule else error)
        self.error = error
        self.rule = rule


class PyodideHost:
    """A Worker served on the loopback; use as a context manager. Raises `HostFailed` if it does not start."""

    def __init__(
        self,
        *,
        node: Path,
        pyodide: Path,
        modules: Path,
        src: Path,
        main: str = "entry.py",
        vars: Mapping[str, Any] | None = None,  # the name wrangler.toml has for it
        bindings: Mapping[str, Any] | None = None,
        limits: Mapping[str, int] | None = None,
        flags: Mapping[str, bool] | None = None,
        inject: Path | None = None,
        bytecode: bool = False,
        port: int = 0,
        start_timeout_s: float = 180.0,
        node_options: tuple[str, ...] = (),
    ) -> None:
        self._command = [str(node), *node_options, str(HOST)]
        self._config = {
            "src": str(src),
            "modules": str(modules),
            "pyodide": str(pyodide),
            "main": main,
            "vars": dict(vars or {}),
            "bindings": dict(bindings or {}),
            "limits": dict(limits or {}),
            "flags": dict(flags or {}),
            "port": port,
            "bytecode": bytecode,
            **({"inject": str(inject)} if inject else {}),
        }
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._readers: list[threading.Thread] = []
        self.ready: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ready['port']}"

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.ready['control_port']}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(self._config))
        self._process.stdin.close()
        self._readers = [
            threading.Thread(target=self._read, args=(stream, wrap), daemon=True)
            for stream, wrap in ((self._process.stdout, False), (self._process.stderr, True))
        ]
        for reader in self._readers:
            reader.start()
        deadline = time.monotonic() + self._start_timeout_s
        with self._changed:
            while True:
                answer = next((line for line in self._lines if "ready" in line), None)
                left_s = deadline - time.monotonic()
                if answer is not None or left_s <= 0 or self._process.poll() is not None:
                    break
                self._changed.wait(min(left_s, 0.2))
        if answer is None and self._process.poll() is not None:
            for reader in self._readers:
                reader.join(timeout=5)
            answer = next((line for line in self._lines if "ready" in line), None)
        if answer is None or not answer["ready"]:
            self.stop()
            if answer is not None:
                raise HostFailed(answer["error"], answer.get("rule"))
            raise HostFailed(
                f"The host did not become ready within {self._start_timeout_s} s:\n{self.tail()}", None
            )
        self.ready = answer
        return self

    def stop(self) -> None:
        """End the process by its id, kindly first."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in self._readers:
            reader.join(timeout=5)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.stop()

    def logs(self, *, level: str | None = None) -> list[str]:
        """Return the lines of the Worker's console so far, oldest first."""
        with self._changed:
            return [
                line["log"] for line in self._lines if "log" in line and level in {None, line.get("level")}
            ]

    def wait_for_log(self, text: str, *, since: int = 0, timeout_s: float = PATIENCE_S) -> str:
        """Return the first log line from the number `since` on that contains `text`, waiting for it.

        Raises `TimeoutError`.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            for line in self.logs()[since:]:
                if text in line:
                    return line
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"No log line contains {text!r}. The host said:\n{self.tail()}")
            with self._changed:
                self._changed.wait(min(left_s, 0.1))

    def wait_for_state(self, is_so: Callable[[dict[str, Any]], bool]) -> None:
        """Return once `is_so` of what `state` tells. Raises `TimeoutError`."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_so(state := self.state()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The state never became what was waited for: {state}")
            time.sleep(0.02)

    def tail(self, count: int = 40) -> str:
        """Return the last lines the host printed, as they came."""
        with self._changed:
            return "\n".join(json.dumps(line, ensure_ascii=False) for line in self._lines[-count:])

    def control(self, action: str, **body: Any) -> Any:
        """Send `POST /__host/{action}` (see runtime/control.mjs) and return its answer."""
        answer = httpx.post(f"{self.control_url}/__host/{action}", json=body, timeout=PATIENCE_S)
        answer.raise_for_status()
        return answer.json()

    def state(self) -> dict[str, Any]:
        """Return what the bindings hold, and which invocations are alive."""
        state: dict[str, Any] = httpx.get(f"{self.control_url}/__host/state", timeout=PATIENCE_S).json()
        return state

    def live_proxies(self) -> int:
        """Return how many proxies keep Python objects alive; what grows with requests is a leak.

        Waits for the invocations that are alive to end, at most 30 s: until then they hold proxies of their own.
        """
        return int(httpx.get(f"{self.control_url}/__host/proxies", timeout=PATIENCE_S).json()["count"])

    def unfinished_tasks(self) -> list[str]:
        """Return the coroutines of tasks that have not ended once the invocations have: nothing will ever wake them."""
        return list(httpx.get(f"{self.control_url}/__host/tasks", timeout=60.0).json()["of"])

    def proxies_left(self, most: int) -> int:
        """Return how many proxies live once there are at most `most`, or when they have not become so few.

        A Durable Object in the middle of its work holds some of its own, and they go; a leak stays.
        """
        deadline = time.monotonic() + PATIENCE_S
        while (count := self.live_proxies()) > most and time.monotonic() < deadline:
            time.sleep(0.1)
        return count

    def _read(self, stream: Any, wrap: bool) -> None:
        for text in stream:
            try:
                line = {"stderr": text.rstrip("\n")} if wrap else json.loads(text)
            except ValueError:
                line = {"stdout": text.rstrip("\n")}
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()
