"""`lumigate slo`: build and check what is generated, read how the promises stand, import a Sloth spec."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from local.argument_types import url
from slo.build import GENERATED, ROOT, TESTS, Sources, drift, generate, generate_tests, write
from slo.yaml_lines import SpecError

TO_RULES = "../../../slo/generated/prometheus"
"""From the committed tests to the committed rules."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Four commands, each with its own options."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = commands.add_parser("build", help="write rules, routing, SQL and tests from the specs")
    build.add_argument("--specs", type=Path, help="a folder of OpenSLO files (default: slo/specs)")
    build.add_argument(
        "--out", type=Path, help="where to write (default: slo/generated); tests go to OUT/tests"
    )
    build.add_argument(
        "--names",
        choices=("lumigate", "sloth"),
        default="lumigate",
        help="sloth: record under Sloth's names as well",
    )
    commands.add_parser("check", help="fail if the committed files are not what the specs generate")
    _add_status(commands.add_parser("status", help="how the promises stand; a release gate by exit code"))
    bring = commands.add_parser("import", help="turn a Sloth prometheus/v1 spec into OpenSLO files")
    bring.add_argument("file", type=Path)
    bring.add_argument("--out", type=Path, required=True, help="the folder for the OpenSLO files")
    bring.add_argument("--period", default="30d", help="the period of the promises (default: 30d)")


def _add_status(parser: argparse.ArgumentParser) -> None:
    from slo.status import EXIT_CODES

    parser.epilog = EXIT_CODES
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--prometheus",
        type=url,
        default="http://127.0.0.1:9090",
        metavar="URL",
        help="(default: %(default)s)",
    )
    source.add_argument(
        "--analytics-engine",
        type=url,
        nargs="?",
        const="https://api.cloudflare.com",
        metavar="URL",
        help="ask Analytics Engine instead; needs CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN",
    )
    parser.add_argument(
        "--slo", action="append", metavar="NAME", help="only this promise; may be given again"
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument(
        "--since", type=instant, metavar="TIME", help="what was burned since (ISO 8601, UTC unless said)"
    )
    parser.add_argument("--deploy", metavar="VERSION", help="what was deployed then")
    parser.add_argument(
        "--annotate", type=url, metavar="URL", help="mark the deploy in this Grafana; needs GRAFANA_TOKEN"
    )


def instant(text: str) -> datetime:
    """A moment; UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2026-11-21T10:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def run(arguments: argparse.Namespace) -> int:
    """0 done, 1 it failed; `status` has codes of its own."""
    actions = {"build": _build, "check": _check, "status": _status, "import": _import}
    try:
        return actions[arguments.action](arguments)
    except SpecError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 1


def _build(arguments: argparse.Namespace) -> int:
    sources = Sources.load(ROOT, arguments.specs)
    settings = sources.settings.model_copy(update={"names": arguments.names})
    sources = Sources(promises=sources.promises, settings=settings, policy=sources.policy)
    files = generate(sources)
    if arguments.out is not None:
        tests = {f"tests/{name}": text for name, text in generate_tests(sources, "../prometheus").items()}
        changed = write(arguments.out, {**files, **tests})
        print(f"{len(files) + len(tests)} files in {arguments.out}, {len(changed)} changed")
        return 0
    if arguments.specs is not None or arguments.names != "lumigate":
        print("lumigate slo: with --specs or --names say where to write: --out DIR", file=sys.stderr)
        return 2
    tests = generate_tests(sources, TO_RULES)
    changed = [*write(GENERATED, files, own=True), *write(TESTS, tests, own=True)]
    print(f"{len(sources.promises)} promises: {len(files) + len(tests)} files, {len(changed)} changed")
    for name in changed:
        print(f"  {name}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    del arguments
    from slo.runbooks import faults

    sources = Sources.load()
    changed = [*drift(GENERATED, generate(sources)), *drift(TESTS, generate_tests(sources, TO_RULES))]
    for name in changed:
        print(f"{name}: not what the specs generate; run `lumigate slo build`", file=sys.stderr)
    wrong = faults(sources)
    for fault in wrong:
        print(fault, file=sys.stderr)
    if not changed and not wrong:
        print(f"{len(sources.promises)} promises, and everything generated from them is up to date")
    return 1 if changed or wrong else 0


def _status(arguments: argparse.Namespace) -> int:
    from slo.status import status

    return int(status(arguments, Sources.load()))


def _import(arguments: argparse.Namespace) -> int:
    from slo.sloth import import_sloth

    files = import_sloth(arguments.file, arguments.period)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = arguments.out / name
        if path.exists():
            print(f"lumigate slo: {path} is there already; nothing was overwritten", file=sys.stderr)
            return 1
        path.write_text(text, encoding="utf-8")
    print(
        f"{len(files)} promises in {arguments.out}; "
        f"next: lumigate slo build --specs {arguments.out} --out DIR --names sloth"
    )
    return 0
