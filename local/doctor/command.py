"""`lumigate doctor`: examines versions, settings, bindings, secrets and what stands around a deployment."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.doctor import code_reads
from local.doctor.environments import Environment, WranglerFileError, read_environments
from local.doctor.finding import Finding, Level
from local.toolchain import ROOT

EXIT_CODES = "exit codes: 0 nothing is wrong · 1 something is, or may be with --strict · 2 nothing to examine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `lumigate doctor`."""
    parser.epilog = EXIT_CODES
    parser.add_argument(
        "--env",
        action="append",
        metavar="NAME",
        help="only this environment of wrangler.toml (development is the top level); may be given again",
    )
    parser.add_argument(
        "--offline", action="store_true", help="ask nobody: no collector, no key set, no list of secrets"
    )
    parser.add_argument("--strict", action="store_true", help="a warning is a failure")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument(
        "--root", type=Path, default=ROOT, metavar="DIR", help="the checkout (default: this one)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Examine and report; the exit codes are in `--help`."""
    from local.doctor.report import as_json, as_text

    try:
        environments = read_environments(arguments.root)
    except WranglerFileError as error:
        print(f"lumigate doctor: {error}; run it in a checkout, or name one with --root", file=sys.stderr)
        return 2
    chosen = [each for each in environments if not arguments.env or each.name in arguments.env]
    if unknown := set(arguments.env or ()) - {each.name for each in chosen}:
        names = ", ".join(each.name for each in environments)
        print(
            f"lumigate doctor: there is no environment {min(unknown)!r}; there are {names}", file=sys.stderr
        )
        return 2
    found = list(examine(arguments.root, environments, chosen, offline=arguments.offline, environ=os.environ))
    print(as_json(found) if arguments.json else as_text(found, coloured=sys.stdout.isatty()))
    bad = {Level.ERROR, Level.WARNING} if arguments.strict else {Level.ERROR}
    return 1 if any(finding.level in bad for finding in found) else 0


def examine(
    root: Path,
    environments: list[Environment],
    chosen: list[Environment],
    *,
    offline: bool,
    environ: Mapping[str, str],
) -> Iterator[Finding]:
    """Everything, in the order in which one would mend it."""
    from local.doctor.bindings_check import check_apart, check_bindings
    from local.doctor.network_check import check_network
    from local.doctor.secrets_check import LOG_IN, check_secrets, list_secrets, local_secrets
    from local.doctor.settings_check import check_settings
    from local.doctor.stored_secrets import check_references, references
    from local.doctor.versions_check import check_versions
    from local.wrangler import find_wrangler, why_no_wrangler

    yield from check_versions(root)
    wrangler = None if offline else find_wrangler(root)
    for environment in chosen:
        secrets: Mapping[str, str | None] | None
        remedy = LOG_IN
        if environment.is_development:
            secrets, why = local_secrets(root), ""
        elif offline:
            secrets, why, remedy = None, "--offline", "Leave --offline out to have them looked at."
        elif wrangler is None:
            secrets, (why, first) = None, why_no_wrangler(root)
            remedy = f"{first[0].upper()}{first[1:]}, then {LOG_IN[0].lower()}{LOG_IN[1:]}"
        else:
            secrets, why = list_secrets(environment, wrangler.ask)
        yield from check_settings(environment, secrets, environments[0])
        yield from check_bindings(environment, root)
        yield from check_secrets(environment, secrets, why, remedy)
        yield from check_references(environment, secrets, None if wrangler is None else wrangler.ask)
        if not offline:
            known = {**{binding.name: None for binding in references(environment)}, **(secrets or {})}
            yield from check_network(environment, _values(environment, known, environ))
    yield from check_apart(environments)


def _values(
    environment: Environment, secrets: Mapping[str, str | None] | None, environ: Mapping[str, str]
) -> dict[str, Any]:
    """The settings as far as they can be known: the file's, `.dev.vars`, and secrets that the process was given."""
    values = {**environment.variables, **(secrets or {})}
    known = code_reads.settings()
    given = {name: value for name, value in environ.items() if name in known and value}
    if not environment.is_development:
        given = {name: value for name, value in given.items() if code_reads.is_secret(name)}
    return values | given
