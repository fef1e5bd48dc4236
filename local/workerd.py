"""`lumigate dev --runtime workerd`: the real Workers runtime, through wrangler, with mocks and issuer beside it.

What pywrangler does before it hands over to wrangler, vendoring the wheels, `lumigate bundle` does from a lock file
with digests; so wrangler is called by itself, in the version that package-lock.json pins. It watches `src/`.
Settings reach the Worker by an environment file that only its owner can read, never by arguments.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local.mocks.issuer import AUDIENCE, DAY_SECONDS, ISSUER, Issuer, SigningKey
from local.mocks.openai_upstream import Behaviour, OpenAIUpstream
from local.port_holder import port_holder
from local.runtime.development import development_settings, example_model
from local.toolchain import ToolchainMissing
from local.wrangler import COMMAND, Wrangler, find_node, find_wrangler, plain

END_SECONDS: Final = 10.0
_READY: Final = re.compile(r"Ready on (https?://\S+)")
_TABLE: Final = tuple("│├┌└")
"""How lines of the list of modules begin, which is long and tells nothing new."""
_FAULTS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (
        re.compile(r"pyodide-capnp-bin|Pyodide bundle"),
        "workerd downloads its Python (Pyodide) from pyodide-capnp-bin.edgeworker.net at first use, and that is out of"
        " reach; run it once with the internet in reach, or use `uv run lumigate dev`, which needs no download",
    ),
    (
        re.compile(r"Address already in use|EADDRINUSE"),
        "the port is taken; stop what holds it, or choose another with --port",
    ),
    (
        re.compile(r"GLIBC_\d"),
        "workerd needs a newer C library (glibc 2.35) than this system's; use `uv run lumigate dev`",
    ),
)
"""What goes wrong with the tools themselves, as they say it, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerdOptions:
    """What the developer asked for. `settings` override the development defaults, None takes one away."""

    port: int
    data: Path | None
    settings: Mapping[str, Any]
    behaviour: Behaviour


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A gateway under workerd that answers, and what stands beside it."""

    url: str
    issuer: Issuer
    settings: Mapping[str, Any]


type Alongside = Callable[[Running], Awaitable[None]]


async def run_workerd(root: Path, options: WorkerdOptions, *, alongside: Alongside | None = None) -> int:
    """Run until Ctrl-C: 0; or 1, and one line that says what is missing or failed.

    `alongside` runs beside the gateway once it answers, such as traffic.
    """
    if isinstance(wrangler := _find(root), str):
        return _fail(wrangler)
    if options.port and (holder := port_holder(options.port)):
        return _fail(f"port {options.port} is taken by {holder}; stop that, or choose another with --port")
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumigate-workerd-")))
        data = options.data or folder
        upstream = await stack.enter_async_context(OpenAIUpstream(options.behaviour))
        issuer = await stack.enter_async_context(
            Issuer(
                SigningKey.load_or_generate(data / "issuer.pem"),
                issuer=str(options.settings.get("JWT_ISSUER") or ISSUER),
                audience=str(options.settings.get("JWT_AUDIENCE") or AUDIENCE),
            )
        )
        defaults = development_settings(jwks_url=issuer.jwks_url, openai_base_url=upstream.base_url)
        settings = {
            name: value for name, value in {**defaults, **options.settings}.items() if value is not None
        }
        try:
            file = _write_private(folder / "dev.env", environment_file(settings))
        except ValueError as error:
            return _fail(str(error))
        arguments = ["dev", "--ip", "127.0.0.1", "--port", str(options.port or _free_port())]
        arguments += ["--env-file", str(file), "--persist-to", str((data / "workerd").resolve())]
        arguments += ["--show-interactive-dev-session=false"]

        async def ready(url: str) -> None:
            running = Running(url=url, issuer=issuer, settings=settings)
            _greet(running)
            if alongside is not None:
                await alongside(running)

        return await _supervise(wrangler, arguments, ready)


def environment_file(settings: Mapping[str, Any]) -> str:
    """The dotenv form that wrangler reads. Raises ValueError, naming the setting, for what it cannot hold.

    A `$` would be replaced by a variable of the environment, so it is escaped; a value in quotes is taken as it is.
    """
    lines = []
    for name, value in settings.items():
        text = str(value).replace("$", "\\$")
        quote = next((quote for quote in ("'", "`", '"') if quote not in text), None)
        if quote is None or (quote == '"' and "\\" in text):
            raise ValueError(f"{name} holds quotes of every kind, which an environment file cannot")
        lines.append(f"{name}={quote}{text}{quote}\n")
    return "".join(lines)


def _find(root: Path) -> Wrangler | str:
    """Wrangler, or what is missing for it."""
    missing = []
    if not (root / "wrangler.toml").is_file():
        missing.append("no wrangler.toml (run it at the top of the checkout)")
    if not (root / "python_modules").is_dir():
        missing.append("no python_modules (run `uv run lumigate bundle`)")
    wrangler = find_wrangler(root)
    if wrangler is None and not os.environ.get(COMMAND):
        if not (root / "node_modules" / "wrangler").is_dir():
            missing.append("no wrangler (run `npm ci`)")
        elif not missing:
            try:
                find_node(root, install=True)
            except ToolchainMissing as error:
                missing.append(f"no Node that wrangler runs on ({error})")
            wrangler = find_wrangler(root)
    if missing or wrangler is None:
        return f"for the workerd runtime there is {'; '.join(missing) or 'no wrangler'}"
    return wrangler


async def _supervise(
    wrangler: Wrangler, arguments: list[str], ready: Callable[[str], Awaitable[None]]
) -> int:
    """Run wrangler, pass on what it says, and end it with us."""
    process = await asyncio.create_subprocess_exec(
        *wrangler.command,
        *arguments,
        cwd=wrangler.root,
        env=wrangler.environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,  # signals come through us, so that it is ended once and in order
    )
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    stopped = loop.create_task(stop.wait())
    watched = loop.create_task(_watch(process, ready))
    try:
        await asyncio.wait([stopped, watched], return_when=asyncio.FIRST_COMPLETED)
        if not watched.done():
            return 0
        fault = watched.result()
        return _fail(fault or f"wrangler ended by itself (code {process.returncode}); its words are above")
    finally:
        for task in (stopped, watched):
            task.cancel()
        await asyncio.gather(stopped, watched, return_exceptions=True)
        await _end(process)


async def _watch(process: asyncio.subprocess.Process, ready: Callable[[str], Awaitable[None]]) -> str:
    """Pass lines on until wrangler ends or says a fault that is known; return what to make of that."""
    beside: asyncio.Task[None] | None = None
    try:
        async for line in _lines(process):
            for pattern, advice in _FAULTS:
                if pattern.search(line):
                    return advice
            if line and not line.startswith(_TABLE):
                print(line, file=sys.stderr, flush=True)
            if beside is None and (found := _READY.search(line)):
                beside = asyncio.ensure_future(ready(found[1]))
        await process.wait()
        return ""
    finally:
        if beside is not None:
            beside.cancel()
            await asyncio.gather(beside, return_exceptions=True)


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    rest = b""
    while block := await process.stdout.read(65_536):  # a line may be longer than any limit of a reader
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield plain(line.decode(errors="replace")).rstrip()
    if rest:
        yield plain(rest.decode(errors="replace")).rstrip()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask it to end, with the workerd that it started; kill both where they will not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await process.wait()


def _greet(running: Running) -> None:
    """Where it is, and the two lines that one pastes next."""
    own = running.settings.get("JWKS_URL") == running.issuer.jwks_url
    token = running.issuer.valid(ttl_seconds=DAY_SECONDS) if own else "$TOKEN"
    body = f'{{"model": "{example_model(running.settings)}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    print(f"\nLumigate, on workerd: {running.url}\n")
    print(
        f"curl -sS {running.url}/v1/chat/completions -H 'authorization: Bearer {token}'"
        f" -H 'content-type: application/json' -d '{body}'\n"
    )
    print("The black-box suite against it:\n")
    print(f"LUMIGATE_URL={running.url} LUMIGATE_TOKEN={token} uv run pytest tests/blackbox\n", flush=True)


def _write_private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _fail(reason: str) -> int:
    print(f"lumigate dev: {reason}", file=sys.stderr)
    return 1
