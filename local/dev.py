"""`lumigate dev`: the gateway and all that it needs on this machine, with a view of its own telemetry."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from local import argument_types, closed_output, greeting
from local.dev_vars import FILE_NAME, read_dev_vars
from local.live_stats import LiveStats
from local.live_view import show_live, span_totals
from local.load import LoadGenerator
from local.mocks.openai_upstream import Behaviour
from local.port_holder import port_holder
from local.runtime.development import example_model
from local.runtime.embedded import DataError, EmbeddedRuntime
from local.runtime.event_loop import run_event_loop
from local.runtime.garbage import shorten_pauses
from local.workerd import Running, WorkerdOptions, run_workerd
from lumigate.errors import ConfigurationError
from lumigate.model_table import PROVIDER_BASE_URLS

DEFAULT_PORT = 8787
DEFAULT_DATA = Path(".lumigate")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `lumigate dev`."""
    parser.add_argument(
        "--port",
        type=argument_types.port,
        default=DEFAULT_PORT,
        help="where the gateway listens (default: %(default)s; 0: any)",
    )
    parser.add_argument(
        "--traffic",
        type=argument_types.rate,
        metavar="RPS",
        help="make this many requests a second, good and bad",
    )
    parser.add_argument(
        "--otlp",
        type=argument_types.url,
        metavar="URL",
        help="export telemetry there, e.g. http://localhost:4318",
    )
    parser.add_argument(
        "--runtime",
        choices=("embedded", "workerd"),
        default="embedded",
        help="one process of CPython, or the real Workers runtime through wrangler (default: %(default)s)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--data",
        type=Path,
        default=DEFAULT_DATA,
        metavar="DIR",
        help="where state is kept (default: %(default)s)",
    )
    where.add_argument("--ephemeral", action="store_true", help="keep nothing")
    parser.add_argument(
        "--mock", action="store_true", help="use the mock upstream even where OPENAI_API_KEY is set"
    )
    parser.add_argument(
        "--latency-ms",
        type=argument_types.milliseconds,
        default=80.0,
        metavar="MS",
        help="of the mock's first byte (default: 80)",
    )
    parser.add_argument(
        "--chunk-ms",
        type=argument_types.milliseconds,
        default=8.0,
        metavar="MS",
        help="between the mock's chunks (default: 8)",
    )
    parser.add_argument(
        "--failure-rate",
        type=argument_types.share,
        default=0.0,
        metavar="SHARE",
        help="of the mock's answers, 0 to 1 (default: 0)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print wide events, one JSON object a line, and no view"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run until Ctrl-C; 0 after a clean end, 1 where it could not start."""
    written = read_dev_vars(Path.cwd())
    environ = {**written, **os.environ}
    settings = _settings(environ, arguments)
    _warn_of_unread(written, settings)
    if arguments.traffic and (reason := _no_traffic_because(settings)):
        return _fail(reason)
    if arguments.runtime == "workerd":
        return run_event_loop(_on_workerd(settings, arguments))
    runtime = EmbeddedRuntime(
        settings,
        port=arguments.port,
        data=None if arguments.ephemeral else arguments.data,
        behaviour=_behaviour(arguments),
    )
    try:
        return run_event_loop(_serve(runtime, arguments))
    except ConfigurationError as error:
        return _fail(str(error))
    except DataError as error:
        return _fail(f"{error}; remove it, or choose another folder with --data")
    except BrokenPipeError:
        closed_output.discarded()
        return 0
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _fail(_port_taken(arguments.port))
        return _fail(f"{error.strerror or error} ({error.filename or f'port {arguments.port}'})")


async def _on_workerd(settings: Mapping[str, Any], arguments: argparse.Namespace) -> int:
    """The same settings, as far as the Worker reads them, on the real runtime."""
    from local.doctor import code_reads

    known = code_reads.settings_with(settings)

    async def make_traffic(running: Running) -> None:
        model = example_model(running.settings)
        await LoadGenerator(running.url, running.issuer, rps=arguments.traffic, model=model).run()

    options = WorkerdOptions(
        port=arguments.port,
        data=None if arguments.ephemeral else arguments.data,
        settings={name: value for name, value in settings.items() if name in known},
        behaviour=_behaviour(arguments),
    )
    return await run_workerd(Path.cwd(), options, alongside=make_traffic if arguments.traffic else None)


async def _serve(runtime: EmbeddedRuntime, arguments: argparse.Namespace) -> int:
    console = Console()
    _log_to(console, plain=arguments.json or not console.is_terminal)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)  # a second one ends at once

    def print_event(line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:
            closed_output.discarded()
            stop.set()

    with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end, number)
    async with runtime:
        shorten_pauses()
        stats = LiveStats(time.monotonic)
        activities = []
        if arguments.json:
            print(json.dumps(greeting.ready(runtime)), flush=True)
            runtime.ports.console.listen(print_event)
        else:
            runtime.ports.console.listen(stats.feed)
            greeting.greet(console, runtime, data=None if arguments.ephemeral else arguments.data)
            view = show_live(
                stats,
                lambda: span_totals(runtime.gateway),
                console,
                exporting=greeting.export_endpoint(runtime.settings) is not None,
            )
            activities.append(loop.create_task(view))
        load = None
        if arguments.traffic:
            model = example_model(runtime.settings)
            load = LoadGenerator(runtime.url, runtime.issuer, rps=arguments.traffic, model=model)
            activities.append(loop.create_task(load.run()))
        stopped = loop.create_task(stop.wait())
        await asyncio.wait([stopped, *activities], return_when=asyncio.FIRST_COMPLETED)
        for activity in (stopped, *activities):
            activity.cancel()
        for failure in await asyncio.gather(*activities, return_exceptions=True):
            if isinstance(failure, Exception):
                raise failure
    if not arguments.json:
        greeting.farewell(stats, runtime, load)
    return 0


def _behaviour(arguments: argparse.Namespace) -> Behaviour:
    return Behaviour(
        first_byte_ms=arguments.latency_ms, chunk_ms=arguments.chunk_ms, failure_rate=arguments.failure_rate
    )


def _settings(environ: Mapping[str, str], arguments: argparse.Namespace) -> dict[str, Any]:
    """What the developer has set, which overrides the development defaults."""
    settings: dict[str, Any] = dict(environ)
    if arguments.otlp:
        settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = arguments.otlp
        settings.setdefault("WIDE_EVENT_SINKS", "console,otlp")  # who looks there wants to see the requests
    for provider in map(str.upper, PROVIDER_BASE_URLS):
        if arguments.mock:
            settings.pop(f"{provider}_API_KEY", None)
            settings.pop(f"{provider}_BASE_URL", None)
        elif settings.get(f"{provider}_API_KEY") and not settings.get(f"{provider}_BASE_URL"):
            settings[f"{provider}_BASE_URL"] = None  # the provider's own address
    return settings


def _warn_of_unread(written: Mapping[str, str], settings: Mapping[str, Any]) -> None:
    """A misspelt setting is one that is not set, and nothing else would say so. The environment holds much besides."""
    if not written:
        return
    from local.doctor import code_reads
    from local.doctor.settings_check import suggestion

    known = code_reads.settings_with(settings)
    for name in sorted(written.keys() - known):
        print(
            f"lumigate dev: {FILE_NAME} sets {name}, which nothing reads. {suggestion(name, known)}",
            file=sys.stderr,
        )


def _no_traffic_because(settings: Mapping[str, Any]) -> str:
    for provider in map(str.upper, PROVIDER_BASE_URLS):
        if settings.get(f"{provider}_API_KEY"):
            return f"--traffic would spend money with your {provider}_API_KEY; add --mock, or unset it"
    if settings.get("JWKS_URL"):
        return "--traffic needs tokens of the built-in issuer, and JWKS_URL names another; unset it"
    return ""


def _log_to(console: Console, *, plain: bool) -> None:
    handler: logging.Handler
    if plain:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    else:
        handler = RichHandler(console=console, show_path=False)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _port_taken(port: int) -> str:
    holder = port_holder(port)
    by = f" by {holder}" if holder else ""
    return f"port {port} is taken{by}; stop that, or choose another: lumigate dev --port {port + 1}"


def _fail(reason: str) -> int:
    print(f"lumigate dev: {reason}", file=sys.stderr)
    return 1
