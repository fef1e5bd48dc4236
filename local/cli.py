"""`lumigate`: the command line. Each command is a module with `add_arguments` and `run`, imported when asked for."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from local import closed_output

COMMANDS: Mapping[str, tuple[str, str]] = {
    "dev": ("local.dev", "run everything on this machine: gateway, mock model provider, issuer of tokens"),
    "token": ("local.make_token", "print a token for a running `lumigate dev`"),
    "keys": ("local.keys.command", "make, list, revoke and rotate API keys, here or of a running gateway"),
    "doctor": (
        "local.doctor.command",
        "check versions, settings, bindings, secrets and what stands around them",
    ),
    "providers": ("local.providers_command", "route a running gateway away from a provider, and back"),
    "cache": ("local.cache_command", "show what a gateway's cache holds, or purge some of it"),
    "forget": ("local.forget", "remove what a running gateway holds of a subject"),
    "export": ("local.export", "print what a running gateway holds of a subject"),
    "fuzz": ("local.fuzz.command", "mutated input against everything that reads from outside"),
    "audit": ("local.audit", "hold the locked dependencies against known vulnerabilities"),
    "bundle": ("local.bundle.command", "vendor, list and check what would be deployed"),
    "preview": (
        "local.rollout.preview",
        "deploy the bundle as a Worker of its own for a pull request, or remove it",
    ),
    "rollout": (
        "local.rollout.command",
        "bring the bundle to production in steps, and back if a promise burns",
    ),
    "dashboards": ("dashboards.command", "build or check the Grafana dashboards"),
    "docs": ("local.docs.command", "build or check the generated documents, try packages for the Worker"),
    "slo": ("slo.command", "build or check the SLO rules"),
    "bench": ("bench.command", "run the benchmarks behind the README's figures"),
}
"""Name: module, and what it does. One whose module is not there yet is not offered."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0 done, 1 it failed, 2 it was not understood."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _ended(arguments)
        sys.stdout.flush()  # at the end of the interpreter it is too late to say anything
    except BrokenPipeError:
        if not closed_output.discarded():
            raise  # another pipe than ours
        return closed_output.EXIT_CODE
    return code


def _ended(arguments: list[str]) -> int:
    try:
        return _run(arguments)
    except SystemExit as stop:  # how argparse ends, after help and after an error
        return stop.code if isinstance(stop.code, int) else 1
    except KeyboardInterrupt:
        return 130


def _run(arguments: list[str]) -> int:
    offered = {name: entry for name, entry in COMMANDS.items() if _exists(entry[0])}
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview(offered))
        return 0
    name, *rest = arguments
    if name in ("-V", "--version"):
        from lumigate import __version__

        print(f"lumigate {__version__}")
        return 0
    if name not in offered:
        known = ", ".join(offered)
        print(
            f"lumigate: there is no command {name!r}; there are {known} (see `lumigate --help`)",
            file=sys.stderr,
        )
        return 2
    module_name, summary = offered[name]
    module = importlib.import_module(module_name)
    parser = _Parser(prog=f"lumigate {name}", description=summary[0].upper() + summary[1:] + ".")
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(rest)))


def _overview(offered: Mapping[str, tuple[str, str]]) -> str:
    width = max(len(name) for name in offered)
    commands = "\n".join(f"  {name:<{width}}  {summary}" for name, (_, summary) in offered.items())
    return f"""\
An LLM gateway for Cloudflare Python Workers that you can see through.

usage: lumigate COMMAND [OPTIONS]

commands:
{commands}

Start here:
  lumigate dev --traffic 20     watch it work; the curl line it prints works when pasted
  lumigate COMMAND --help       what a command can do"""


def _exists(module: str) -> bool:
    """Whether there is such a module, found without importing anything but its packages."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())
